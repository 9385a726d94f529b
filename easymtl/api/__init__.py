"""What a program does with easymtl: train, open, evaluate, score, explain, export. The commands do it through this."""
