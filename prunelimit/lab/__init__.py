"""The laboratory: data sets, tasks, resumable training, baselines, studies, batch runs, commands.

It runs experiments at scale on top of the package; nothing outside of it imports from it.
"""
