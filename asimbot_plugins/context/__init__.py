"""Context selectors: which earlier messages a reply is given."""
