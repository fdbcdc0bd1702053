"""What is measured of a base, one idea a file; `training.base.evaluate` puts it into one table.

Not for taste and not for training: nothing here is seen by the model or decides what is shipped.
"""
