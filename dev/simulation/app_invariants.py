"""What Darkroom promises about the use of the whole app."""

from dataclasses import replace

from dev.fakes.world import World
from dev.simulation.effects import run
from shared.core.money.tally import of_accounts
from shared.ports.app_windows import AppUse
from shared.worker.app_limits import sum_of
from shared.worker.app_rebuild import rebuild


def uncounted(world: World) -> str:
    """What is wrong with the app's tallies after a rebuild; empty if they add up to what the accounts have used."""
    if not world.switches.limits.limits:
        return ""
    run(rebuild(replace(world.deps, app_use=AppUse())))
    counted = sum_of(run(world.app_windows.read())).aged(world.time)
    slots = [slot for each in world.store.saved_accounts.values() for slot in each.usage.slots]
    used = of_accounts(slots).aged(world.time)
    return "" if counted == used else f"counted {counted}, used {used}"
