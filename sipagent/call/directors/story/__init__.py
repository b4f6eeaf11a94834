"""The story of a call, as its agent's `story` has it: pure rules over the call's events.

    answering     who answers a call of ours: a conversation, a message after the beep, the end
    opening       consent, then the recording; the greeting
    silence       somebody say something; then goodbye
    duration      the warning before the longest duration, and the goodbye
    keypad        digits for the model, collected, or choices of a menu
    filler        what is heard while a tool runs
    farewell      the one way out: hang up or hand on, after the goodbye has been played

All of them look at one `floor`: who speaks, who waits, since when nobody does.
"""
