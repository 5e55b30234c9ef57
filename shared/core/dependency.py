"""What Darkroom depends on, each by one name: in errors, waits, logs, metrics and the health page alike."""

from enum import StrEnum

from shared.core.provider.guarantees import REPLICATE, ProviderName


class Dependency(StrEnum):
    """Whatever may be down, busy, or answer what cannot be read."""

    TABLES = "tables"
    BLOBS = "blobs"
    SERVICE_BUS = "service bus"
    CONTENT_SAFETY = "content safety"
    KEY_VAULT = "key vault"
    SECRETS = "secrets"  # what is kept as one, wherever it comes from
    REPLICATE = "replicate"
    PROVIDER = "provider"  # another one than Replicate
    IMAGES = "images"  # the process in which pictures are decoded
    INPUTS = "inputs"  # the addresses that users name

    @property
    def runs_models(self) -> bool:
        """Whether it is a provider: an attempt is created and asked for there."""
        return self in (Dependency.REPLICATE, Dependency.PROVIDER)


def dependency_of(provider: ProviderName) -> Dependency:
    """The dependency that a provider is."""
    return Dependency.REPLICATE if provider == REPLICATE else Dependency.PROVIDER
