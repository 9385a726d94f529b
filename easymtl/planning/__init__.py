"""What a training will need and how fast it will be, on one worker or a thousand, told before any is started."""
