"""The curves of metrics: their points, and what is kept of these so that few have to be read.

following  Points as they come, of the latest attempt of some experiments
growth     What is kept of a curve as it grows: its points, its ends, the extremes of each stretch
numbering  The numbers of points: none is given twice
points     Points read back: those after a number, or as few as show the same curve
"""
