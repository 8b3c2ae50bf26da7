"""What identification costs and how far its answers can be trusted, beside MuJoCo's own toolbox."""
