"""One flat script a stage."""
