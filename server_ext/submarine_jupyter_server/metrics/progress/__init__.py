"""How far a replica says it is: bars and ``tracking.progress`` in its log, read in the same pass as its metrics.

bars       One progress bar, as a library prints it
reports    What is stored of how far an attempt is: that of the replica that leads, and not each step of it
outermost  Which of the bars that a replica draws counts: the outermost, and when it moved last
"""
