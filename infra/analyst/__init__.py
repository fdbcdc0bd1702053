"""What an analyst takes away: tables and a report, made of the answers of the gateway."""
