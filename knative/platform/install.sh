#!/usr/bin/env bash
# Install what the functions stand on, or say what of it is missing: Knative Serving with Kourier, Eventing, KafkaSource.
#
#   install.sh             install or upgrade to the pinned versions, then check; safe to repeat
#   install.sh check       only look, change nothing; exit code 1 if something is missing
#   install.sh render DIR  write what would be applied into DIR, without a cluster
#
# The release files are downloaded once, compared with checksums.txt and kept in RELEASES
# (~/.cache/taskmaster-platform unless set; put them there yourself where this machine reaches no network).
# Versions are below. The kustomization.yaml of each part says what is changed in it for a cluster of two cores, and why.
set -euo pipefail

SERVING=1.22.1
KOURIER=1.22.1
EVENTING=1.22.2
KAFKA=1.22.3

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
releases=${RELEASES:-${XDG_CACHE_HOME:-$HOME/.cache}/taskmaster-platform}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '%s\n' "$*"; }
fail() {
  printf 'platform: %s\n' "$*" >&2
  exit 1
}
need() { command -v "$1" >/dev/null || fail "$1 is not installed: $2"; }

main() {
  need kubectl "see kubernetes.io/docs/tasks/tools (1.27 or newer)"
  case "${1:-install}" in
    install)
      cluster
      download
      install
      check
      ;;
    check)
      cluster
      check
      ;;
    render)
      [ $# = 2 ] || fail "render wants a directory: install.sh render DIR"
      download
      mkdir -p "$2"
      for part in serving kourier eventing kafka; do render "$part" >"$2/$part.yaml"; done
      say "rendered into $2"
      ;;
    *) fail "there is no $1: it is install.sh, install.sh check or install.sh render DIR" ;;
  esac
}

cluster() {
  kubectl version --request-timeout=10s >/dev/null 2>&1 ||
    fail "kubectl reaches no cluster: set KUBECONFIG or pick a context (kubectl config get-contexts)"
  say "cluster: $(kubectl config current-context)"
}

# --- the release files: downloaded once, and only ever used if they are what they were when these lines were written
download() {
  mkdir -p "$releases"
  fetch serving-crds.yaml "knative/serving/releases/download/knative-v$SERVING"
  fetch serving-core.yaml "knative/serving/releases/download/knative-v$SERVING"
  fetch kourier.yaml "knative-extensions/net-kourier/releases/download/knative-v$KOURIER"
  fetch eventing-crds.yaml "knative/eventing/releases/download/knative-v$EVENTING"
  fetch eventing-core.yaml "knative/eventing/releases/download/knative-v$EVENTING"
  fetch eventing-kafka-controller.yaml "knative-extensions/eventing-kafka-broker/releases/download/knative-v$KAFKA"
  fetch eventing-kafka-source.yaml "knative-extensions/eventing-kafka-broker/releases/download/knative-v$KAFKA"
}

fetch() { # FILE FOLDER
  local wanted file=$releases/$1
  wanted=$(awk -v name="$1" '$2 == name { print $1 }' "$here/checksums.txt")
  [ -n "$wanted" ] || fail "checksums.txt has no line for $1"
  if [ ! -f "$file" ] || [ "$(checksum "$file")" != "$wanted" ]; then
    need curl "or put $1 into $releases yourself"
    say "downloading $1"
    curl -fsSL --retry 3 -o "$file.part" "https://github.com/$2/$1" ||
      fail "https://github.com/$2/$1 cannot be downloaded: try again, or put it into $releases yourself"
    [ "$(checksum "$file.part")" = "$wanted" ] ||
      fail "$file.part is not the $1 that checksums.txt knows: look at it before you trust it"
    mv "$file.part" "$file"
  fi
}

checksum() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

# --- trimmed and applied
render() { # PART
  cp -R "$here/$1" "$work/"
  cp "$releases"/*.yaml "$work/$1/"
  # A broker across the internet takes longer than two seconds now and then. The setting is inside a text: no patch
  # reaches it.
  kubectl kustomize "$work/$1" | sed -E 's/^( +(default\.api|request)\.timeout\.ms)=2000$/\1=20000/'
}

apply() { # WHAT, manifests on standard input
  local tries=0 said
  cat >"$work/apply.yaml"
  # A webhook that is just starting refuses for a few seconds.
  until said=$(kubectl apply --server-side --force-conflicts -f "$work/apply.yaml" 2>&1); do
    tries=$((tries + 1))
    [ $tries -lt 20 ] || fail "$1 was refused: $(printf '%s\n' "$said" | grep -v -- ' serverside-applied$' | tail -n 5)"
    sleep 3
  done
  say "applied $1"
}

install() {
  apply "the types of Serving $SERVING" <"$releases/serving-crds.yaml"
  apply "the types of Eventing $EVENTING" <"$releases/eventing-crds.yaml"
  kubectl wait --for=condition=Established --timeout=60s crd/services.serving.knative.dev \
    crd/images.caching.internal.knative.dev crd/pingsources.sources.knative.dev >/dev/null
  render serving | apply "Serving $SERVING"
  ready knative-serving activator autoscaler controller webhook || fail "see: kubectl get pods -n knative-serving"
  render kourier | apply "Kourier $KOURIER"
  render eventing | apply "Eventing $EVENTING"
  ready knative-eventing eventing-controller eventing-webhook || fail "see: kubectl get pods -n knative-eventing"
  render kafka | apply "KafkaSource $KAFKA"
}

# --- looked at
check() {
  local missing=0 controller
  part "Knative Serving" knative-serving activator autoscaler controller webhook || missing=1
  ingress || missing=1
  part "Knative Eventing" knative-eventing eventing-controller eventing-webhook || missing=1
  controller=$(kafka_controller)
  if ! kubectl get crd kafkasources.sources.knative.dev >/dev/null 2>&1; then
    say "missing  KafkaSource: its type is not there"
    missing=1
  elif [ -z "$controller" ]; then
    say "missing  KafkaSource: knative-eventing has no deployment kafka-controller, and no kafka-source-controller"
    missing=1
  else
    part "KafkaSource" knative-eventing "$controller" kafka-webhook-eventing || missing=1
  fi
  asked
  [ $missing = 0 ] || fail "something is missing: install.sh installs it"
  say "Everything that taskmaster functions stand on is there."
}

# The bundle that has KafkaSource alone (eventing-kafka-source-bundle.yaml) calls its controller kafka-source-controller.
kafka_controller() {
  local name
  for name in kafka-controller kafka-source-controller; do
    if kubectl get -n knative-eventing "deployment/$name" >/dev/null 2>&1; then
      say "$name"
      return
    fi
  done
}

part() { # NAME NAMESPACE DEPLOYMENT...
  local name=$1 namespace=$2 version
  shift 2
  if ! kubectl get -n "$namespace" "deployment/$1" >/dev/null 2>&1; then
    say "missing  $name: there is no deployment $1 in $namespace"
    return 1
  fi
  version=$(kubectl get -n "$namespace" "deployment/$1" -o 'jsonpath={.metadata.labels.app\.kubernetes\.io/version}')
  if ready "$namespace" "$@"; then
    say "ready    $name ${version}"
  else
    return 1
  fi
}

ready() { # NAMESPACE DEPLOYMENT...
  local namespace=$1 name
  shift
  for name in "$@"; do
    if ! kubectl rollout status -n "$namespace" "deployment/$name" --timeout="${TIMEOUT:-180s}" >/dev/null 2>&1; then
      say "not up   $name: kubectl describe deployment/$name -n $namespace"
      return 1
    fi
  done
}

ingress() {
  local class
  class=$(kubectl get configmap/config-network -n knative-serving \
    -o 'jsonpath={.data.ingress-class}{.data.ingress\.class}' 2>/dev/null || true)
  case "$class" in
    kourier.*)
      part "Kourier" knative-serving net-kourier-controller || return 1
      ready kourier-system 3scale-kourier-gateway
      ;;
    "")
      say "missing  an ingress: config-network in knative-serving names none"
      return 1
      ;;
    *) say "ready    another ingress than Kourier, and that is fine: $class" ;;
  esac
}

# What all pods ask for, beside what the nodes have: the functions want 35 thousandths of a core for each pod that is awake.
asked() {
  local has wants
  has=$(kubectl get nodes -o 'jsonpath={range .items[*]}{.status.allocatable.cpu}{"\n"}{end}' | total)
  wants=$(kubectl get pods -A --field-selector=status.phase=Running \
    -o 'jsonpath={range .items[*].spec.containers[*]}{.resources.requests.cpu}{"\n"}{end}' | total)
  say "asked    $wants of $has thousandths of a core, by all pods together"
  [ $((has - wants)) -ge 200 ] || say "         that leaves little: see what asks for so much with kubectl describe nodes"
}

total() { awk '/m$/ { sum += $0 } /^[0-9.]+$/ { sum += 1000 * $0 } END { printf "%d", sum }'; }

main "$@"
