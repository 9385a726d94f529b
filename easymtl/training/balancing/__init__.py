"""Task balancing: how the losses of several tasks, or their gradients, are weighed against each other.

weightings       weights from the losses
combinations     combinations of gradients, from their inner products
solvers          the small problems behind those
task_gradients   the gradient of each task by itself
descents         the gradients of one update, by one of them
choice           which of them a config asks for
"""
