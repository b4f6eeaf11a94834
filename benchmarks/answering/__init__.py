"""Who answers: calls that are made up, and how often `rtp.answering` tells rightly who it was."""
