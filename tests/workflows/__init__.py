"""GitHub's workflows: read by those who know the rules, and run without GitHub."""
