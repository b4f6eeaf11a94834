"""The whole server under load: SIPp's calls with two-way speech, a simulated model, and a judgement."""
