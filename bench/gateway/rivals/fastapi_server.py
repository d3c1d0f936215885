"""FastAPI with orjson and onnxruntime: the best peer in Python. Usage: fastapi_server.py MODEL PORT"""

import sys

import numpy
import onnxruntime
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
output = session.get_outputs()[0].name
app = FastAPI()


@app.get("/v2/health/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/v2/models/bench/infer")
async def infer(request: Request) -> Response:
    tensor = orjson.loads(await request.body())["inputs"][0]
    values = numpy.asarray(tensor["data"], numpy.float32).reshape(tensor["shape"])
    answer = session.run([output], {tensor["name"]: values})[0]
    outputs = [{"name": output, "shape": list(answer.shape), "datatype": "FP32", "data": answer.ravel()}]
    body = orjson.dumps({"model_name": "bench", "outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, media_type="application/json")


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
