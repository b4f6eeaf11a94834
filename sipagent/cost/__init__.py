"""What calls cost: prices applied to usage and minutes, and budgets that say when it is enough. Pure."""
