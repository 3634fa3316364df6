#!/usr/bin/env bash
# A kind cluster with what the functions stand on, and host names of the outside for them. Safe to repeat; needs Docker.
#
#   kind.sh    make the cluster unless it is there, install, and print how pods reach this machine: HOST_ADDRESS=...
#
# Only that line goes to standard output, so that `export $(make kind)` and a workflow's environment file take it.
# CLUSTER is the cluster's name (kind), DOMAIN the functions' (127.0.0.1.sslip.io).
set -euo pipefail

name=${CLUSTER:-kind}
domain=${DOMAIN:-127.0.0.1.sslip.io}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
  printf 'kind: %s\n' "$*" >&2
  exit 1
}

for tool in docker kind kubectl; do
  command -v $tool >/dev/null || fail "$tool is not installed: see kind.sigs.k8s.io/docs/user/quick-start"
done

{
  if kind get clusters | grep -x "$name" >/dev/null; then
    kind export kubeconfig --name "$name"
  else
    kind create cluster --name "$name" --wait 2m
  fi
  "$here/install.sh"
  # Without a domain Knative keeps every function inside the cluster, and the ingress answers 404 from outside.
  kubectl -n knative-serving patch configmap config-domain --type merge -p "{\"data\": {\"$domain\": \"\"}}"
} >&2

# The node is a container: pods reach this machine by the gateway of its network. An IPv6 one may stand beside it.
address=$(docker network inspect kind --format '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' |
  awk '/^[0-9]+[.][0-9.]+$/ && !found { print; found = 1 }')
[ -n "$address" ] || fail "the network kind has no gateway: see docker network inspect kind"
echo "HOST_ADDRESS=$address"
