"""What is measured on a trained network, a stage a module; `prunelimit.lab.experiment` runs them.

A stage's numbers depend on the code that its module imports: modules here import tasks for
annotations only, so that a task's note, or another task, makes no stage again.

`refit` brings the quadratic model as low as the survivors of a mask can, `finetune` the real loss;
`crossing` finds the sparsity at which such a rise meets ε. Studies do the same with them.
"""
