"""The Telegram stand-in: a Bot API for one bot in one chat."""

from .bot import Telegram

__all__ = ["Telegram"]
