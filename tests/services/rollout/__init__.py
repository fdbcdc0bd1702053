"""The rollout process."""
