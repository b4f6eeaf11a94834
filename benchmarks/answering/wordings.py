"""What people and machines say when they answer, by language: one half to tune with, one to judge by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wordings:
    """Of one language. `desks` are people who answer for a company."""

    voices: tuple[str, ...]
    humans: tuple[str, ...]
    desks: tuple[str, ...]
    machines: tuple[str, ...]


TRAINING = {
    "en": Wordings(
        ("en-us", "en-gb+f2", "en-us+m3", "en-us+f4"),
        (
            "Hello?",
            "Hello.",
            "Yes?",
            "Smith speaking.",
            "Yes, hello, this is Anna, who is it?",
            "Hi, this is Peter.",
            "Hello, hello?",
            "Good morning.",
        ),
        (
            "Smith and Sons, good morning, how may I help you?",
            "Good afternoon, Example Limited, Anna speaking.",
            "Customer service, my name is Paul, what can I do for you?",
        ),
        (
            "Hello, you have reached the voicemail of Peter Miller. I can't take your call right now."
            " Please leave a message after the tone.",
            "The person you are calling is not available. Please leave a message after the beep.",
            "Hi, this is Anna. I'm not in at the moment, so leave your name and number and I will call you"
            " back as soon as I can.",
            "Welcome to the mailbox of four four two zero seven one two three. Record your message after the"
            " tone. When you have finished, hang up.",
            "Hi, it's Tom. Leave a message.",
            "Thank you for calling Example Limited. Our office is closed. Our opening hours are nine to five"
            " from Monday to Friday.",
        ),
    ),
    "de": Wordings(
        ("de", "de+f2", "de+m4"),
        ("Hallo?", "Ja?", "Schmidt.", "Müller, guten Tag.", "Ja hallo, wer ist da?", "Hier ist Anna Weber."),
        (
            "Firma Schmidt, guten Tag, was kann ich für Sie tun?",
            "Praxis Doktor Weber, Meyer am Apparat, guten Morgen.",
        ),
        (
            "Hallo, dies ist der Anschluss von Familie Schmidt. Wir sind zur Zeit nicht zu Hause. Bitte"
            " hinterlassen Sie eine Nachricht nach dem Signalton.",
            "Der gewünschte Gesprächspartner ist zur Zeit nicht erreichbar. Bitte sprechen Sie nach dem Ton.",
            "Guten Tag, Sie haben die Mobilbox von Peter Weber erreicht. Bitte sprechen Sie nach dem Piep.",
            "Hier ist die Mailbox von Anna. Sprich einfach nach dem Ton.",
        ),
    ),
    "fr": Wordings(
        ("fr-fr", "fr-fr+f3"),
        ("Allô?", "Oui allô?", "Oui bonjour.", "Allô, qui est à l'appareil?", "Bonjour, Pierre Martin."),
        ("Société Martin bonjour, que puis-je faire pour vous?", "Cabinet Dupont, Anne à votre écoute."),
        (
            "Bonjour, vous êtes bien sur la messagerie de Pierre Martin. Je ne suis pas disponible pour le"
            " moment, merci de laisser un message après le bip.",
            "Votre correspondant n'est pas disponible. Veuillez laisser votre message après le signal"
            " sonore.",
            "Bonjour, nous sommes absents. Laissez-nous un message et nous vous rappellerons.",
        ),
    ),
    "es": Wordings(
        ("es", "es+f2"),
        ("¿Diga?", "¿Sí?", "Hola, buenos días.", "¿Quién es?", "Sí, dígame.", "Soy Carlos, ¿quién habla?"),
        ("Empresa Gómez, buenos días, ¿en qué puedo ayudarle?", "Atención al cliente, le habla María."),
        (
            "Hola, ha llamado al buzón de voz de Carlos Gómez. En este momento no puedo atenderle. Por favor,"
            " deje su mensaje después de la señal.",
            "El número al que llama no está disponible. Deje su mensaje después de oír la señal.",
            "Hola, somos la familia Pérez. No estamos en casa. Deje su nombre y su teléfono, y le"
            " llamaremos.",
        ),
    ),
}

HELD_OUT = {
    "en": Wordings(
        ("en-gb-scotland", "en-gb-x-rp+f1", "en-us-nyc+m7", "en-us+f5"),
        (
            "Hello, who's speaking?",
            "Yeah?",
            "Speaking.",
            "Johnson residence.",
            "Hi there.",
            "Good evening, Mary Brown here.",
            "Hello, can you hear me?",
            "This is Robert.",
        ),
        (
            "Thank you for calling Riverside Dental, this is Kate, how can I help?",
            "Front desk, good evening, Martin speaking.",
            "Harbour Hotel reception, good morning, Julie speaking, how may I direct your call?",
        ),
        (
            "You've reached the Johnsons. Nobody can come to the phone right now. Leave us a message after"
            " the beep and we'll get back to you.",
            "Your call has been forwarded to an automatic voice message system. At the tone, please record"
            " your message.",
            "The mobile customer you are trying to reach is currently unavailable. Please try again later, or"
            " speak after the signal.",
            "Hey, Mary here. Can't talk now. You know what to do.",
            "Good day. This is the answering service of Riverside Dental. For emergencies please dial the"
            " number on our website. For everything else, tell us your name and number.",
            "Robert Brown is on holiday until the end of the month. Please call again then.",
        ),
    ),
    "de": Wordings(
        ("de+m7", "de+f5", "de+m1"),
        ("Ja bitte?", "Hallo, hier Becker.", "Fischer am Apparat.", "Moin.", "Wer spricht?", "Guten Abend."),
        (
            "Autohaus Becker, mein Name ist Julia Koch, wie kann ich Ihnen helfen?",
            "Hotel am See, Rezeption, guten Abend.",
        ),
        (
            "Sie sind mit dem automatischen Anrufbeantworter von Thomas Becker verbunden. Leider bin ich"
            " gerade nicht da. Nachrichten bitte nach dem Pfeifton.",
            "Dieser Anschluss ist vorübergehend nicht erreichbar. Sie können nach dem Ton eine Nachricht"
            " aufsprechen.",
            "Vielen Dank für Ihren Anruf. Unsere Geschäftszeiten sind montags bis freitags von acht bis"
            " siebzehn Uhr. Sie können uns eine Nachricht hinterlassen.",
            "Hi, hier ist Jan, bin grad nicht da, ruf mich später noch mal an.",
        ),
    ),
    "fr": Wordings(
        ("fr-be", "fr-ch+f1"),
        ("Oui?", "Allô, j'écoute.", "Oui, c'est Sophie.", "Bonsoir.", "Allô, bonjour, qui parle?"),
        (
            "Hôtel de la Gare, bonsoir, Luc à l'appareil.",
            "Garage Leroy bonjour, ne quittez pas, je vous écoute.",
        ),
        (
            "Vous êtes en communication avec le répondeur de la famille Leroy. Parlez après le top sonore.",
            "Le numéro que vous avez demandé ne peut être joint actuellement. Vous pouvez laisser un"
            " message.",
            "Salut, c'est Sophie. Je ne peux pas répondre tout de suite, mais dites-moi tout et je rappelle.",
        ),
    ),
    "es": Wordings(
        ("es-419", "es-419+f4"),
        ("¿Bueno?", "¿Aló?", "Hola, ¿con quién hablo?", "Buenas tardes.", "Habla Lucía.", "Mande."),
        (
            "Clínica Central, buenas tardes, le atiende Jorge.",
            "Hotel Sol, recepción, ¿con quién le comunico?",
        ),
        (
            "Usted se ha comunicado con el contestador de la familia Rojas. Ahora no podemos contestar. Grabe"
            " su mensaje al escuchar el tono.",
            "El abonado al que usted llama tiene el teléfono apagado o fuera de cobertura en este momento.",
            "Hola, soy Lucía. Estoy ocupada. Mándame un mensaje o llámame por la noche, gracias.",
        ),
    ),
}

#: After the three tones of the network.
ANNOUNCEMENTS = {
    "en": "The number you have dialled is not in service. Please check the number and try again.",
    "de": "Kein Anschluss unter dieser Nummer.",
    "fr": "Le numéro que vous avez composé n'est pas attribué.",
    "es": "El número marcado no existe.",
}
