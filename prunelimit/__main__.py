"""``python -m prunelimit`` is the command ``prunelimit``; torchrun starts it so."""

from prunelimit.lab.cli import main

if __name__ == "__main__":
    main()
