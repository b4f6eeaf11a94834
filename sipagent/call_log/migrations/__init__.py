"""How the database of calls came to its present shape: one module in `versions` per step, run by Alembic."""
