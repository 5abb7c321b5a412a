"""The blind test and the ranking of replies by people, in a browser on this machine."""
