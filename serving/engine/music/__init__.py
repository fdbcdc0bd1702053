"""What is said of a track before it is made: its plan and its noise."""
