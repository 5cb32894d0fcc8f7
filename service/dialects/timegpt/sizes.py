"""How much of a history the SDK is to send. It asks that first, and cuts series without exogenous features to it.

It does so before it says which fine-tuned model it wants and how much a forecast of the past must see. So what it is
told has to be enough for whatever it may ask then.
"""

from __future__ import annotations

from forecaster.time.frequency import Frequency
from service.dialects.timegpt.choice import Choices
from service.dialects.timegpt.schemas import WindowSizes
from service.requests.asked import FindModel

# Steps, of the longest window of the encoder in the box. A fine-tuned model looks at as many as the version it began
# with, which may serve no more; to find out how many that were, its bundle would have to be loaded.
_FEWEST = 1024


def sizes_of(choices: Choices, name: str, frequencies: tuple[Frequency, ...], find: FindModel) -> WindowSizes:
    """Gives as many steps as any model of the frequency looks at, and as few ahead as those of the name forecast.

    Raises what `Choices.perhaps_meant` raises. Which of several is meant, the request that follows may say.
    """
    meant = choices.perhaps_meant(name, frequencies, find)
    others = [one for one in choices.models.served if one.own_frequency in frequencies]
    contexts = [one.bundle.config.model.context_length or 0 for one in (*meant, *others)]
    return WindowSizes(
        input_size=max(_FEWEST, *contexts), horizon=min(one.bundle.config.model.horizon for one in meant)
    )
