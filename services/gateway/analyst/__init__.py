"""What an analyst takes away: files and a report, made of answers to questions of uplift."""
