"""The bench: what every study does with a trained network under a mask.

`refitting` brings the quadratic model as low as the survivors can, `tuning` the real loss, and
`crossing` finds the sparsity at which such a rise meets ε. A module each: a stage's key has the
code that the stage runs and no more.
"""
