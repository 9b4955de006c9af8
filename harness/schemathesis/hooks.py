"""What schemathesis cannot know of boxd: how an archive is sent, and what there is to be asked about."""

import schemathesis


@schemathesis.serializer("application/x-tar", "application/gzip", "application/zip")
def archive(ctx, value):
    """Bytes as they are."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def map_path_parameters(ctx, path_parameters):
    """Two thirds of the requests are for what `run` has made; the others are for whatever was made up."""
    parameters = dict(path_parameters or {})
    for name, known in (("identifier", ["known", "over"]), ("path", ["a", "d"])):
        choice = len(str(parameters.get(name, ""))) % 3
        if name in parameters and choice < 2:
            parameters[name] = known[choice]
    return parameters
