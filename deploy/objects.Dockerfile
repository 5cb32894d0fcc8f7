# The S3 gateway over a folder. Only the folder's owner is ours: a new named volume takes it over,
# so that the gateway needs no root to write there.
FROM versity/versitygw:v1.8.0@sha256:30292fc2eeacc67a36993b01f7a7a5e3361a19cced0e80c1d71cfa2a4b0a2499
USER 0:0
RUN mkdir -m 0700 /data && chown 10001:10001 /data
USER 10001:10001
