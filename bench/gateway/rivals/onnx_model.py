"""ONNX Runtime as a custom model of MLServer, which has none of its own."""

import numpy
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(self.settings.parameters.uri, options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        tensor = payload.inputs[0]
        values = NumpyCodec.decode_input(tensor).astype(numpy.float32)
        answer = self._session.run(None, {tensor.name: values})[0]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("variable", answer)])
