"""OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1, for Triton's Python backend."""

import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        """Look up the element type of each output in config.pbtxt, so that it is written down in one place only."""
        config = json.loads(args["model_config"])
        self.output_types = {
            name: pb_utils.triton_string_to_numpy(pb_utils.get_output_config_by_name(config, name)["data_type"])
            for name in ("OUTPUT0", "OUTPUT1")
        }

    def execute(self, requests):
        """One response for each request, in order.

        With dynamic batching `requests` is one batch of them. Each holds tensors of shape (rows, columns); only the
        number of rows differs from request to request.
        """
        return [self.answer(request) for request in requests]

    def answer(self, request):
        left = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        right = pb_utils.get_input_tensor_by_name(request, "INPUT1").as_numpy()
        # NumPy would stretch the shorter input to fit; the client made a mistake, and the rest of the batch did not.
        if left.shape != right.shape:
            message = f"INPUT0 has shape {list(left.shape)} and INPUT1 {list(right.shape)}: they must be the same"
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, pb_utils.TritonError.INVALID_ARG))
        results = {"OUTPUT0": np.add(left, right), "OUTPUT1": np.subtract(left, right)}
        # A client, or an ensemble, may ask for one of them only; Triton 2.49 hangs over more than that.
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(name, results[name].astype(self.output_types[name]))
                for name in request.requested_output_names()
            ]
        )
