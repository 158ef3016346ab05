#!/bin/sh
# A command for `bellis exec` that can be slow and can fail, as checks ask of it.
sleep "$((${BELLIS_CONFORMANCE_MS:-0} / 1000))"
if [ "${BELLIS_CONFORMANCE_ERROR_BYTES:-0}" -gt 0 ]; then
  head -c "$BELLIS_CONFORMANCE_ERROR_BYTES" /dev/zero | tr '\0' x >&2
  exit 1
fi
