"""Status patches of Pods in kwok's template language (Go templates that render YAML).

Each template is the `status` of a strategic merge patch: conditions merge by type, the list of container statuses is
replaced as a whole, as the kubelet does it.
"""

PULL_ERROR = "failed to pull and unpack image: failed to resolve reference: unexpected status 403 Forbidden"
"""What a registry answers to a node without permission, in the container runtime's words; a Pod may name others."""

_HEAD = """\
{{ $now := Now }}
{{ $root := . }}
{{ $annotations := or .metadata.annotations dict }}
{{ $fail := or (index $annotations "devcluster.kaito.sh/fail") "" }}
{{ $words := or (index $annotations "devcluster.kaito.sh/last-words") "" }}
"""
_PULLING = _HEAD + f'{{{{ $pull := or (index $annotations "devcluster.kaito.sh/pull-error") "{PULL_ERROR}" }}}}\n'
_EXIT = (
    'exitCode: {{ if eq $fail "oom" }}137{{ else }}{{ or (index $annotations "devcluster.kaito.sh/exit-code") "1" }}'
    '{{ end }}, reason: {{ if eq $fail "oom" }}OOMKilled{{ else }}Error{{ end }}, '
    "message: {{ $words | toJson }}"
)
_SINCE = "startedAt: {{ $old.state.running.startedAt | Quote }}, finishedAt: {{ $now | Quote }}"
_KEPT = "{{ $old.state | toJson }}"
_RUNNING = "{running: {startedAt: {{ $now | Quote }}}}"
_TERMINATED = f"{{terminated: {{{_EXIT}, {_SINCE}}}}}"
_COMPLETED = f"{{terminated: {{exitCode: 0, reason: Completed, {_SINCE}}}}}"


def _waiting(reason: str, message: str = "") -> str:
    note = f", message: {message!r}" if message else ""
    return f"{{waiting: {{reason: {reason}{note}}}}}"


def _containers(
    state: str, *, ready: bool = False, started: bool = False, last: str = "", crashed: bool = False
) -> str:
    """The statuses of all containers, which always change together."""
    restarts = "{{ add (toString $count | int) 1 }}" if crashed else "{{ $count }}"
    last_state = last or "{{ or $old.lastState dict | toJson }}"
    return f"""\
containerStatuses:
{{{{ range $index, $item := .spec.containers }}}}
{{{{ $old := dict }}}}
{{{{ if $root.status.containerStatuses }}}}{{{{ $old = index $root.status.containerStatuses $index }}}}{{{{ end }}}}
{{{{ $count := or $old.restartCount 0 }}}}
- name: {{{{ $item.name | Quote }}}}
  image: {{{{ $item.image | Quote }}}}
  imageID: ""
  ready: {str(ready).lower()}
  started: {str(started).lower()}
  restartCount: {restarts}
  state: {state}
  lastState: {last_state}
{{{{ end }}}}
"""


def _init_containers(state: str, *, ready: bool) -> str:
    return f"""\
{{{{ if .spec.initContainers }}}}
initContainerStatuses:
{{{{ range .spec.initContainers }}}}
- name: {{{{ .name | Quote }}}}
  image: {{{{ .image | Quote }}}}
  imageID: ""
  ready: {str(ready).lower()}
  restartCount: 0
  state: {state}
{{{{ end }}}}
{{{{ end }}}}
"""


def _condition(kind: str, *, status: bool | str, reason: str = "", message: str = "") -> str:
    return (
        f'- {{type: {kind}, status: "{status}", reason: "{reason}", message: "{message}", '
        "lastProbeTime: null, lastTransitionTime: {{ $now | Quote }}}\n"
    )


def _readiness(*, ready: bool, reason: str = "ContainersNotReady") -> str:
    cause = "" if ready else reason
    message = "" if ready or reason != "ContainersNotReady" else "containers with unready status"
    return "".join(
        _condition(kind, status=ready, reason=cause, message=message) for kind in ("ContainersReady", "Ready")
    )


_INIT_COMPLETED = (
    "{terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}"
)

ACCEPTED = (
    _HEAD
    + "phase: Pending\nstartTime: {{ $now | Quote }}\n"
    + "hostIP: {{ NodeIPWith .spec.nodeName | Quote }}\n"
    + "podIP: {{ PodIPWith .spec.nodeName (or .spec.hostNetwork false) .metadata.uid .metadata.name .metadata.namespace"
    + " | Quote }}\nconditions:\n"
    + _condition("PodReadyToStartContainers", status=True)
    + _condition("Initialized", status='{{ empty .spec.initContainers | ternary "True" "False" }}')
    + _readiness(ready=False)
    + _init_containers(_waiting("PodInitializing"), ready=False)
    + _containers(_waiting("ContainerCreating"))
)
STARTED = (
    _HEAD
    + "phase: Running\nconditions:\n"
    + _condition("Initialized", status=True)
    + _init_containers(_INIT_COMPLETED, ready=True)
    + _containers(_RUNNING, started=True)
)
READY = _HEAD + "conditions:\n" + _readiness(ready=True) + _containers(_KEPT, ready=True, started=True)
UNREADY = _HEAD + "conditions:\n" + _readiness(ready=False) + _containers(_KEPT, started=True)
PULL_FAILED = _PULLING + _containers("{waiting: {reason: ErrImagePull, message: {{ $pull | toJson }}}}")
PULL_BACKOFF = _PULLING + _containers(
    "{waiting: {reason: ImagePullBackOff, message: "
    '{{ printf `Back-off pulling image "%s": ErrImagePull: %s` $item.image $pull | toJson }}}}'
)
PULL_RETRY = _HEAD + _containers(_waiting("ContainerCreating"))
CRASHED = (
    _HEAD
    + "conditions:\n"
    + _readiness(ready=False)
    + _containers(_waiting("CrashLoopBackOff", "back-off restarting failed container"), last=_TERMINATED, crashed=True)
)
RESTARTED = _HEAD + _containers(_RUNNING, started=True)
FAILED = _HEAD + "phase: Failed\nconditions:\n" + _readiness(ready=False) + _containers(_TERMINATED)
COMPLETED = (
    _HEAD + "phase: Succeeded\nconditions:\n" + _readiness(ready=False, reason="PodCompleted") + _containers(_COMPLETED)
)
