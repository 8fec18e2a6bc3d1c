"""Streams from Kafka into a store (extra ``kafka``), each message in it once."""

from lifecycle.kafka.client import Client, open_client
from lifecycle.kafka.consume import Consumed, consume
from lifecycle.kafka.dead_letters import DeadLetters
from lifecycle.kafka.settings import read_settings

__all__ = ["Client", "Consumed", "DeadLetters", "consume", "open_client", "read_settings"]
