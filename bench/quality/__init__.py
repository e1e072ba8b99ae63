"""How well each model does on a public set, run through the product's own verbs."""
