"""The types that several keys of osapi.yaml share: what is read, and what is refused."""

from typing import Annotated, Literal

from osapi.config import kinds
from osapi.durations import Duration

Address = Annotated[str, kinds.ADDRESS]
Bucket = Annotated[str, kinds.BUCKET]
Count = Annotated[int, kinds.COUNT]
Namespace = Annotated[str, kinds.NAMESPACE]
Percent = Annotated[int, kinds.PERCENT]
Period = Annotated[Duration, kinds.PERIOD]
Port = Annotated[int, kinds.PORT]
Replicas = Annotated[int, kinds.REPLICAS]
Secret = Annotated[str, kinds.SECRET]
Size = Annotated[int, kinds.SIZE]
Words = Annotated[list[str], kinds.WORDS]
Storage = Literal["file", "memory"]
