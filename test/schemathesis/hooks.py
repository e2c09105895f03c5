# What schemathesis does not know by itself: a body of lines is one line of JSON here.
import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    return json.dumps(value).encode() + b"\n"
