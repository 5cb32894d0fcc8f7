#!/bin/sh
# Removes from a virtual environment what no running service opens: tests, C++ headers, and programs that test torch.
set -eu
find "$1/lib" -depth -type d \( -name tests -o -path '*/torch/test' -o -path '*/torch/include' \) -exec rm -r {} +
# torch looks for this one when it is imported.
find "$1/lib" -path '*/torch/bin/*' ! -name torch_shm_manager -delete
