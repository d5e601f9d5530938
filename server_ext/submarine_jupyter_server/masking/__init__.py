"""Keep secret values out of what is shown.

masks      Hide secret values in what is answered, and find them again in what is sent back
sensitive  Find which variables hold a credential, by their name or by their value
"""
