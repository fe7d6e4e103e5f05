"""The page, section by section: what each says, shows and advises."""
