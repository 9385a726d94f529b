from easymtl.peers.judging import Life, hanging, silent, suspect


def life(beat_at, heard_at=100.0, **more):
    return Life(heard_at, beat_at, **more)


def test_a_process_without_a_word_is_lost():
    lives = {1: life(60, 74.9, phase="reading", step=7), 2: life(99)}
    verdict = silent(lives, own=0, now=100.0, silence=25.0)
    assert verdict and verdict.index == 1
    assert verdict.text == "has given no sign of life for 25 s (last sign: reading, step 7, 40 s ago)"
    assert silent(lives, own=0, now=99.0, silence=25.0) is None


def test_who_stands_still_hangs_and_who_waits_for_it_does_not():
    waiting, still = life(70, is_together=True), life(74.5, phase="reading", step=3)
    verdict = hanging({0: waiting, 1: still}, 100.0)
    assert verdict and verdict.index == 1
    assert "does not go on" in verdict.text and "reading, step 3, 26 s ago" in verdict.text
    assert hanging({0: waiting, 1: still}, 99.0) is None


def test_waiting_for_one_that_gives_signs_may_last():
    assert hanging({0: life(0, is_together=True), 1: life(99, phase="exporting")}, 100.0) is None


def test_when_all_wait_for_each_other_the_oldest_sign_is_named():
    lives = {0: life(74, is_together=True), 1: life(73, is_together=True)}
    verdict = hanging(lives, 100.0)
    assert verdict and verdict.index == 1
    lives[0] = life(76, is_together=True)
    assert hanging(lives, 100.0) is None


def test_a_phase_that_may_last_has_its_own_patience():
    assert hanging({0: life(99), 1: life(0, phase="tracing", patience=900.0)}, 100.0) is None
    assert hanging({0: life(99), 1: life(0, phase="tracing", patience=90.0)}, 100.0)


def test_who_has_done_its_work_is_not_waited_for():
    assert hanging({0: life(99, is_together=True), 1: life(0, is_done=True)}, 100.0) is None
    assert hanging({0: life(0, is_done=True), 1: life(0, is_done=True)}, 100.0) is None


def test_of_a_broken_connection_the_quietest_is_suspected():
    lives = {1: life(90, 99.5), 2: life(90, 92.0)}
    verdict = suspect(lives, 100.0)
    assert verdict and verdict.index == 2
    assert suspect({1: life(90, 99.5)}, 100.0) is None
