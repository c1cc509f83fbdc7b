"""Precision-learning policies: algorithms that choose formats, widths or stored weights during training (policies.md).

    policy = make_policy("bitwave", {"bitwave": {"eps": 0.02}})
    policy.begin(Network(...)); policy.on_step(loss); policy.precision("conv1", Role.WEIGHT)

One file per policy, one interface (`base`), one registry. `session` ties a policy to a model of `golden.nn`.
Attributes load lazily (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golden.policies.base import Policy
    from golden.policies.formats import Network, Role, Tensor
    from golden.policies.registry import POLICIES, add_policy_options, make_policy, policy_names, read_policy
    from golden.policies.session import Session

__all__ = [
    "POLICIES",
    "Network",
    "Policy",
    "Role",
    "Session",
    "Tensor",
    "add_policy_options",
    "make_policy",
    "policy_names",
    "read_policy",
]

_HOME = {
    "Network": "formats",
    "Policy": "base",
    "Role": "formats",
    "Tensor": "formats",
    "POLICIES": "registry",
    "add_policy_options": "registry",
    "make_policy": "registry",
    "policy_names": "registry",
    "read_policy": "registry",
    "Session": "session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'golden.policies' has no attribute {name!r}")
    return getattr(import_module(f"golden.policies.{_HOME[name]}"), name)
