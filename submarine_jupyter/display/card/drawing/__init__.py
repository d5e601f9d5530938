"""What cards are drawn with; none of it knows what an experiment is.

blocks   What a card is made of, as HTML and as text
log      Lines of replicas, and the bars below them
table    A table of words
curves   Curves as pictures and as characters
icons    States as word, colour, character and picture
colours  Lines with the colours they have
words    A sentence as HTML and as text
values   Numbers, lengths of time, and texts of others
"""
