"""tasks.distiller: how the model of codes is trained, judged and held against its gates."""
