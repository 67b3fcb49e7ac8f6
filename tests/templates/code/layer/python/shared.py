of = "layer"
