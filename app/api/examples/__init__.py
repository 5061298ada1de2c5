"""The examples in the OpenAPI document. The tests hold them to the shapes, and the numbers to the code."""
