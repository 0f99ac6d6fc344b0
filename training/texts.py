"""What the synthesised voices say: templates by class and language, with slots for names, numbers and the like.

Every template belongs to one fold (by its place in the list), so that a fold's test calls say other sentences than
its training calls. Sentences that are the same on every phone of the world (marked with a leading "=") belong to all.
"""

import random

FOLDS = 4

SLOTS = {
    "name": {
        "en": "Mike|Sarah Jones|David|Emily|Jennifer Clark|Tom|Bob Miller|Linda|Chris|Anna Bell|Steve|Karen White|James|Priya|Omar|Grace Lee|Peter|Nora|Jack|Rachel Green|Ben|Olivia|Daniel Ortiz|Megan|Victor|Laura",
        "es": "María|José García|Carmen|Luis|Ana López|Javier|Lucía|Pedro Sánchez|Marta|Diego",
        "fr": "Claire|Pierre Martin|Julien|Sophie|Camille Bernard|Luc|Hélène|Antoine|Nathalie|Marc Dubois",
        "de": "Müller|Anna Schmidt|Peter Weber|Familie Becker|Julia|Thomas Koch|Schneider|Klaus Wagner|Sabine|Lena Hoffmann",
        "it": "Marco|Giulia Rossi|Luca|Francesca|Paolo Bianchi|Chiara|Andrea|Elena Conti",
        "ru": "Иван|Анна Петрова|Сергей|Ольга|Дмитрий|Наталья Смирнова|Алексей|Мария",
        "pt": "João|Maria Silva|Pedro|Ana Costa|Carlos|Beatriz|Rui Santos|Helena",
        "fi": "Matti|Anna Virtanen|Jukka|Liisa|Pekka Korhonen|Sari",
        "cs": "Jan Novák|Petra|Tomáš|Eva Dvořáková|Martin|Lucie",
        "ca": "Jordi|Núria Vila|Marc|Montse|Pere Soler|Laia",
    },
    "firm": {
        "en": "Miller Plumbing|Sunrise Dental|the Riverside Clinic|Acme Insurance|Green Valley Bank|Northern Travel|City Motors|Harbor Hotel|Oak Street Pharmacy|Blue Sky Solutions|the law office of Brown and Reed|Metro Electric|Lakeside Veterinary|Pine Tree Realty|Quick Print",
        "es": "la clínica Santa Ana|Seguros del Norte|Talleres Ruiz|el Hotel Miramar|Viajes Luna|la farmacia central",
        "fr": "la clinique du Parc|Assurances Leroy|Hôtel du Lac|la mairie|Garage Moreau|Cabinet Petit",
        "de": "Praxis Doktor Meier|Autohaus Nord|Hotel Seeblick|Firma Braun|Stadtwerke|Bäckerei Vogel",
        "it": "lo studio Ferrari|Hotel Bellavista|Assicurazioni Monti|la farmacia San Marco",
        "ru": "клиника Здоровье|магазин Север|гостиница Волга|компания Восток",
        "pt": "a clínica Boa Vista|Hotel Atlântico|Seguros Lima|Oficina Central",
        "fi": "Hammaslääkäri Lahti|Hotelli Järvi|Autoliike Mäki",
        "cs": "hotel Praha|ordinace doktora Nováka|pojišťovna Sever",
        "ca": "la clínica Sant Pau|Hotel Marina|Tallers Vidal",
    },
    "role": {"en": "sales|customer service|billing|technical support|the front desk|accounts|reservations|human resources"},
}


def _digits(rng, count):
    return " ".join(str(rng.randrange(10)) for _ in range(count))


TEXTS = {
    # A person who answers: hello and the like, a name, a firm's greeting, and talk that runs on.
    "human": {
        "en": """
Hello?|Hello.|Hi.|Yeah?|Yes?|Hey.|Hello, who's this?|Hi, this is {name}.|{name}.|{name} speaking.|Hello, {name} here.|Good morning.|Good afternoon.|Yes, hello?
Speaking.|Hello, hello?|Hey, what's up?|What?|Yo.|Hi there.|Yeah, hello.|Who is it?|Okay, hi.|Hello, can I help you?|Evening.|This is she.|This is he.|Uh, hello?
{firm}.|{firm}, good morning.|{firm}, this is {name}.|{firm}, {name} speaking, how can I help you?|Thank you for calling {firm}, this is {name}, how may I help you?
Good afternoon, {firm}, {name} speaking.|Good morning, thanks for calling {firm}, how can I direct your call?|Hi, {firm}, can you hold please?|{firm}, can I put you on hold for a second?
Hello, you're through to {role}, my name is {name}, how can I help?|Good morning, {role}, {name} speaking.|{role}.|{firm}, how can I help?|Hi, you've reached {role}, this is {name}, what can I do for you?
Hello? Hello? I can't hear you.|Hello? Is anybody there?|Yeah, hi, I'm driving right now, can you call me back?|Sorry, who is this?|Hi, hold on a second, let me step outside.|Hang on, let me turn this down. Okay, hello?
Hey, I was just about to call you, where are you?|No, put that down. Sorry, hello?|Yes, this is {name}, who's calling please?|Oh hi, yeah, I'm just at the store, what do you need?|Hello? Yes, I can hear you, go ahead.
Mom's not here right now, can I take a message?|He's not in at the moment, who's calling?|Hi, is this about the delivery? I'm at the back door.|Yeah, yeah, one moment, I'm just closing the door.""",
        "es": "¿Diga?|¿Sí?|¿Bueno?|¿Hola?|Hola, ¿quién es?|Dígame.|¿Aló?|Sí, dígame.|Hola, soy {name}.|{firm}, buenos días.|{firm}, le atiende {name}, ¿en qué puedo ayudarle?|Buenas tardes, {firm}, dígame.|Sí, un momento, por favor.|¿Hola? ¿Hola? No le oigo.|No está en casa, ¿quién le llama?|Hola, estoy conduciendo, ¿me llamas luego?",
        "fr": "Allô ?|Oui ?|Allô, oui ?|Oui, bonjour.|Allô, c'est {name}.|{firm}, bonjour.|{firm}, {name} à l'appareil, bonjour.|Bonjour, {firm}, que puis-je faire pour vous ?|Allô ? Qui est à l'appareil ?|Oui, un instant s'il vous plaît.|Allô ? Je vous entends très mal.|Ah salut, je suis dans le train, je te rappelle.",
        "de": "Hallo?|Ja?|Ja bitte?|{name}.|Ja, hallo?|Hallo, {name} hier.|{firm}, guten Tag.|{firm}, {name}, guten Tag, was kann ich für Sie tun?|Guten Morgen, {firm}, mein Name ist {name}.|Hallo? Wer ist da?|Moment bitte, ich gehe kurz raus.|Hallo? Ich kann Sie schlecht verstehen.|Nein, der ist nicht da, wer spricht denn?",
        "it": "Pronto?|Sì?|Pronto, chi parla?|Sì, pronto.|{firm}, buongiorno.|{firm}, sono {name}, come posso aiutarla?|Pronto? Non la sento.|Ciao, ti richiamo tra poco, sto guidando.",
        "ru": "Алло?|Да?|Слушаю.|Да, алло.|Алло, кто это?|Да, слушаю вас.|{firm}, добрый день.|{firm}, {name}, чем могу помочь?|Алло? Вас не слышно.|Подождите минутку, пожалуйста.",
        "pt": "Alô?|Está?|Sim?|Alô, quem fala?|Estou sim.|{firm}, bom dia.|{firm}, fala {name}, em que posso ajudar?|Oi, posso te ligar depois? Estou dirigindo.",
        "fi": "Haloo?|Niin?|{name}.|{name} puhelimessa.|No moi.|{firm}, hyvää päivää.|{firm}, {name}, kuinka voin auttaa?|Hei, voinko soittaa takaisin?",
        "cs": "Haló?|Prosím?|Ano?|Ano, prosím.|{name}.|{firm}, dobrý den.|{firm}, u telefonu {name}, co pro vás mohu udělat?|Moment, neslyším vás.",
        "ca": "Digui?|Sí?|Hola?|Sí, digui'm.|{firm}, bon dia.|{firm}, li parla {name}, en què puc ajudar-lo?|Un moment, si us plau.|Hola, ara no puc parlar, et truco després.",
    },
    # A voicemail greeting: personal, a firm's, a carrier's.
    "machine": {
        "en": """
Hi, you've reached {name}. I can't come to the phone right now, so please leave your name, number and a short message after the beep, and I'll call you back.
Hey, it's {name}. Leave a message.|Hi, this is {name}, sorry I missed your call. Please leave a message and I'll get back to you as soon as I can.
You have reached the voicemail of {name}. I'm either away from my desk or on another call. Please leave a detailed message after the tone.
Your call has been forwarded to an automated voice messaging system. {digits10} is not available. At the tone, please record your message. When you are finished recording, you may hang up, or press 1 for more options.
The person you have called is not available right now. Please leave a message after the tone.|The number you have called is not answering. Please leave your message after the tone.
Welcome to the mailbox of {digits10}. Nobody can take your call at the moment. Record your message after the signal.
Thank you for calling {firm}. Our office is closed at the moment. Our hours are nine to five, Monday to Friday. Please leave a message and we will return your call on the next business day.
You've reached {firm}. We are helping other customers right now. Leave your name and number after the beep and someone will call you back.
Hi! It's {name} and {name}. We're probably out in the garden. You know what to do.|We can't get to the phone. Leave a message.
Hello, this is {name}. I am out of the office until Monday. If it is urgent, please send me a text message. Otherwise, leave a message after the beep. Thank you, and have a great day.
Please leave a message for {name} after the tone.|You have reached {digits7}. Please leave a message after the beep.|I'm not here right now. Beep is coming. Talk to it.
Hello, you have reached the desk of {name} at {firm}. I'm sorry that I can't take your call in person. Please leave your name, the time you called and your number, speaking slowly, and I will ring you back.
This is the voicemail service. The person at extension {digits4} is unavailable. To leave a message, wait for the tone. To speak to an operator, press zero.
Hi, I'm not able to answer my phone. Text me instead, or leave a message, and I might listen to it one day. Bye.
You've reached the Johnson family. {name}, {name} and the dog can't come to the phone. Leave us a message after the tone and we'll call you when we're back.
The subscriber you have called is not available. Please leave a message after the tone.|The mobile customer you are calling is unavailable. Please leave your message. You will be charged from the tone.
Hey, thanks for calling. I don't check my voicemail a lot, but go ahead, leave a message, and I'll do my best.|Hello? ... Hello? ... Just kidding, I'm not here. Leave a message.
You have reached the cell phone of {name}. I am with a client or in a meeting. Your call is very important to me, please leave a message of any length.
Sorry, I can't take your call. Please leave a message.|{name} is not available. Record your message at the tone.|At the tone, please record your message.""",
        "es": "Hola, soy {name}. Ahora no puedo atenderte. Deja tu mensaje después de la señal y te llamaré en cuanto pueda.|Ha llamado al buzón de voz del {digits9}. En este momento no podemos atenderle. Deje su mensaje después de oír la señal.|Le atiende el contestador automático de {firm}. Nuestro horario es de nueve a dos y de cuatro a siete. Deje su nombre y su número de teléfono y le devolveremos la llamada.|El cliente al que llama no se encuentra disponible. Por favor, grabe su mensaje después del tono.|Hola, no estoy. Deja un mensaje.|Este es el buzón de {name}. Por favor deje su recado. Cuando termine puede colgar o marcar la tecla almohadilla.|Su llamada será transferida al buzón de voz. Tendrá costo a partir de este momento si deja un mensaje.|Hola, ha llamado a casa de la familia de {name}. No podemos ponernos ahora, así que deje el mensaje tras la señal. Gracias.",
        "fr": "Bonjour, vous êtes bien sur le répondeur de {name}. Je ne suis pas disponible pour le moment. Laissez-moi un message après le bip et je vous rappellerai dès que possible. Merci.|Vous êtes sur la messagerie du {digits10}. Votre correspondant n'est pas disponible. Merci de laisser un message après le signal sonore.|Bonjour, vous avez joint {firm}. Nos bureaux sont actuellement fermés. Veuillez laisser vos coordonnées et nous vous rappellerons.|Salut, c'est {name}, laisse un message.|La personne que vous appelez n'est pas joignable. Parlez après le bip, puis raccrochez.|Je suis absent pour le moment, mais vous pouvez me laisser un message avec votre nom et votre numéro. À bientôt.|Bonjour, ici {name} de {firm}. Je suis en réunion jusqu'à ce soir. Pour toute urgence, envoyez un message écrit. Sinon, parlez après le signal.|Bienvenue sur la boîte vocale du poste {digits4}. Laissez votre message.",
        "de": "Guten Tag, Sie haben die Mailbox von {name} erreicht. Bitte hinterlassen Sie eine Nachricht nach dem Signalton.|Hallo, hier ist der Anrufbeantworter von {name}. Wir sind gerade nicht zu Hause. Sprechen Sie nach dem Ton, wir rufen zurück.|Der gewünschte Gesprächspartner ist zurzeit nicht erreichbar. Bitte hinterlassen Sie eine Nachricht.|Sie haben die Rufnummer {digits10} erreicht. Der Teilnehmer ist nicht verfügbar. Sprechen Sie nach dem Signal.|Willkommen bei {firm}. Sie rufen außerhalb unserer Öffnungszeiten an. Wir sind montags bis freitags von acht bis siebzehn Uhr für Sie da. Hinterlassen Sie bitte Ihren Namen und Ihre Telefonnummer.|Hallo, ich bin's, {name}. Ich kann gerade nicht, sprich mir drauf.|Hier ist {firm}. Alle Plätze sind belegt. Bitte nennen Sie Ihr Anliegen nach dem Piepton, wir melden uns.|Leider bin ich gerade nicht da. Nachrichten nach dem Ton. Danke.",
        "it": "Ciao, sono {name}. In questo momento non posso rispondere, lascia un messaggio dopo il segnale acustico e ti richiamo.|Segreteria telefonica del {digits10}. Il cliente non è al momento raggiungibile. Lasciate un messaggio dopo il segnale.|Avete chiamato {firm}. I nostri uffici sono chiusi. Lasciate nome e numero e sarete richiamati.|Non ci sono. Parlate dopo il bip.|Buongiorno, risponde la segreteria di {name}. Sono fuori ufficio fino a lunedì. Per favore lasci un messaggio.|La persona chiamata non è disponibile. Registri il suo messaggio dopo il tono.",
        "ru": "Здравствуйте, вы позвонили {name}. Сейчас я не могу ответить. Оставьте сообщение после сигнала, и я перезвоню.|Абонент не отвечает. Вы можете оставить сообщение после звукового сигнала.|Вас приветствует автоответчик, {firm}. Мы работаем с девяти до шести. Пожалуйста, назовите ваше имя и номер телефона.|Меня нет дома. Говорите после гудка.|Это голосовая почта номера {digits7}. Оставьте, пожалуйста, сообщение.|Телефон абонента выключен. Ваше сообщение будет доставлено, говорите после сигнала.",
        "pt": "Olá, ligou para {name}. De momento não posso atender. Deixe a sua mensagem depois do sinal e eu ligo de volta.|Sua chamada está sendo encaminhada para a caixa postal e estará sujeita à cobrança após o sinal.|Você ligou para {firm}. Nosso horário é das nove às dezoito horas. Deixe seu nome e telefone após o bip.|O número {digits9} não está disponível. Grave a sua mensagem após o tom.|Oi, não posso falar agora. Deixa recado.|Esta é a caixa de mensagens de {name}. Por favor, fale depois do sinal.",
        "fi": "Hei, olet soittanut numeroon {digits7}. En pääse nyt puhelimeen. Jätä viesti äänimerkin jälkeen.|Tämä on vastaaja. {name} ei ole tavoitettavissa. Voit jättää viestin merkkiäänen jälkeen.|Olet soittanut, {firm}. Palvelemme arkisin yhdeksästä viiteen. Jätä nimesi ja puhelinnumerosi niin soitamme takaisin.|Moi, {name} täällä, jätä viesti.",
        "cs": "Dobrý den, dovolali jste se do hlasové schránky. {name} teď nemůže přijmout váš hovor. Zanechte prosím vzkaz po zaznění tónu.|Volaný účastník není dostupný. Zanechte zprávu po pípnutí.|Dovolali jste se, {firm}. Naše kanceláře jsou zavřené. Nechte nám své jméno a telefonní číslo, zavoláme vám zpět.|Ahoj, tady {name}, nech mi vzkaz.",
        "ca": "Hola, sóc {name}. Ara no et puc atendre. Deixa el teu missatge després del senyal.|Aquest és el contestador de {firm}. Deixeu el vostre nom i telèfon i us trucarem.|El client al qual truqueu no està disponible. Deixeu un missatge després del to.|No hi sóc. Parla després del xiulet.",
    },
    # A call-screening assistant: says that it is one or asks who calls and why, then waits.
    "screening": {
        "en": """
=Hi, if you record your name and reason for calling, I'll see if this person is available.
=Hi. If you record your name and reason for calling, I'll see if this person is available. Thanks.
=The person you're calling is using a screening service from Google, and will get a copy of this conversation. Go ahead and say your name, and why you're calling.
Hello, please say your name and why you are calling, and I will check if they can talk.|Before I connect you, who is calling, and what is this about?
This call is being screened. Please state your name and the purpose of your call.|Hi, I'm the virtual assistant of {name}. May I ask who's calling?
The person you are trying to reach uses call screening. Say who you are and the reason for your call after the tone.|Hello! I'm answering for {name}. What would you like me to tell them?
Thanks. Stay on the line while I see if {name} can take your call. First, tell me your name.|Please record your name and what the call is about. I'll find out whether the person is free.
Calls to this number are answered by an assistant. Please tell me your name, and why you're calling today.|To be put through, say your name after the tone.
Hi, this is an automatic assistant taking calls for the owner of this phone. What's your name and what is it regarding?|Who may I say is calling?|Could you tell me your name and the reason for the call? I will pass it on right away.
I'm a digital assistant. The person you're calling can't see who you are. Please say your name.|Hello, you've reached {name}'s phone. I screen calls on this line. How can I help?
In a few words, tell me who you are and what you want to talk about. Then please hold.|Hello. This person doesn't know your number. Please say who's calling and they'll decide whether to answer.
Hi there, the caller must give a name to be connected. Please speak now.|Your call is important. An assistant is listening for your name and reason. Go ahead.""",
        "es": "Hola, diga su nombre y el motivo de su llamada, y veré si esta persona está disponible.|La persona a la que llama utiliza un asistente de filtro de llamadas. Diga quién es y por qué llama.|Antes de pasarle, ¿me puede decir su nombre?|Soy el asistente virtual de {name}. ¿Quién llama, por favor?",
        "fr": "Bonjour, indiquez votre nom et la raison de votre appel, et je verrai si cette personne est disponible.|La personne que vous appelez filtre ses appels. Dites votre nom et le motif de votre appel.|Je suis l'assistant de {name}. Qui dois-je annoncer ?|Avant de vous mettre en relation, veuillez dire qui vous êtes.",
        "de": "Hallo, bitte nennen Sie Ihren Namen und den Grund Ihres Anrufs. Ich sehe nach, ob die Person erreichbar ist.|Die angerufene Person nutzt einen Anruffilter. Sagen Sie bitte, wer Sie sind und worum es geht.|Ich bin der digitale Assistent von {name}. Wer ruft bitte an?|Bevor ich Sie verbinde, wie ist Ihr Name?",
        "it": "Salve, dica il suo nome e il motivo della chiamata, vedrò se questa persona è disponibile.|La persona che sta chiamando usa un filtro chiamate. Dica chi è e perché chiama.|Sono l'assistente di {name}. Chi parla?|Prima di metterla in contatto, dica il suo nome.",
        "ru": "Здравствуйте, назовите ваше имя и причину звонка, я узнаю, может ли человек ответить.|Это голосовой помощник. Скажите, кто звонит и по какому вопросу.|Я отвечаю за {name}. Что передать?|Прежде чем соединить вас, представьтесь, пожалуйста.",
        "pt": "Olá, diga o seu nome e o motivo da ligação, e vou ver se a pessoa está disponível.|A pessoa para quem você ligou usa um filtro de chamadas. Diga quem é e por que está ligando.|Sou o assistente de {name}. Quem gostaria?|Antes de transferir, diga o seu nome, por favor.",
        "fi": "Hei, kerro nimesi ja asiasi, niin katson, onko henkilö tavoitettavissa.|Tämä on puheluavustaja. Kuka soittaa ja mitä asia koskee?",
        "cs": "Dobrý den, řekněte své jméno a důvod hovoru, zjistím, zda je volaný dostupný.|Tady hlasový asistent. Kdo volá, prosím?",
        "ca": "Hola, digui el seu nom i el motiu de la trucada, i miraré si aquesta persona està disponible.|Sóc l'assistent de {name}. Qui truca, si us plau?",
    },
    # Menus, attendants, queue announcements and carriers' announcements.
    "ivr": {
        "en": """
Thank you for calling {firm}. For {role}, press 1. For {role}, press 2. For {role}, press 3. To hear these options again, press star.
Welcome to {firm}. Please listen carefully, as our menu options have changed. If you know your party's extension, you may dial it at any time. For {role}, press 1. For all other questions, stay on the line.
For English, press 1. Para español, oprima el dos.|Please enter your account number, followed by the pound key.|Your call may be monitored or recorded for quality and training purposes.
We're sorry. The number you have dialed is not in service. Please check the number and dial again.|The number you have dialed has been disconnected or is no longer in service.
The subscriber you have dialed is switched off or out of the coverage area. Please try again later.|Your call cannot be completed as dialed. Please check the number and try again.
All circuits are busy now. Will you please try your call again later.|The person you are calling is on another line. Please hold, or call later.|Due to network difficulties, your call cannot be completed at this time.
The customer you are calling cannot accept calls at this time. Message {digits4}.|The number {digits10} has been changed. The new number is {digits10}.
Thank you for holding. Your call is important to us. All of our agents are busy. Please stay on the line and your call will be answered in the order it was received.
You are number {digits1} in the queue. The expected waiting time is more than five minutes.|Please hold while I transfer your call.|Please wait while we connect you.
Welcome to the automated information line of {firm}. Say, or enter, your date of birth.|In a few words, tell me what you're calling about. You can say things like, pay my bill, or, talk to an agent.
To confirm your appointment, press 1. To cancel it, press 2. To speak to someone at {firm}, press 0.|I'm sorry, I didn't get that. Please press 1 for yes, or 2 for no.
Hello, and welcome to {firm}. Our opening hours are eight to six on weekdays. For directions, press 1. For {role}, press 2. To repeat this message, press 9.
The extension you dialed is not valid. Please try again.|If this is a medical emergency, please hang up and dial nine one one. For prescriptions, press 1. For appointments, press 2. For billing, press 3.
You have reached a number that doesn't accept incoming calls.|This is a recorded announcement. The service you require is not available from this line.|Calls to this number are being diverted. Please wait.
Please say the name of the person or department you want.|Your call is being connected to {role}. Calls are recorded.|The mailbox is full and cannot accept any messages at this time. Goodbye.""",
        "es": "Bienvenido a {firm}. Para ventas, marque uno. Para soporte técnico, marque dos. Para hablar con un operador, marque cero o espere en la línea.|El número que usted marcó no existe. Por favor verifique y marque de nuevo.|Todas nuestras líneas están ocupadas. Por favor, permanezca a la espera.|El teléfono al que llama está apagado o fuera de cobertura en este momento.|Introduzca su número de cliente seguido de la tecla almohadilla.|Esta llamada puede ser grabada. Si desea continuar, pulse uno.|Gracias por su llamada. Para citas, pulse uno. Para resultados, pulse dos. Para repetir el menú, pulse tres.|Telefónica le informa que actualmente no existe ninguna línea con esta numeración.",
        "fr": "Bienvenue chez {firm}. Pour le service commercial, tapez un. Pour le service technique, tapez deux. Pour réécouter ce menu, tapez étoile.|Le numéro que vous avez composé n'est pas attribué. Veuillez consulter l'annuaire.|Tous nos conseillers sont en ligne. Veuillez patienter, nous allons prendre votre appel.|Votre correspondant n'est pas joignable. Veuillez renouveler votre appel ultérieurement.|Saisissez votre numéro de dossier, puis appuyez sur dièse.|Pour des raisons de qualité, cet appel est susceptible d'être enregistré.|Si vous êtes un particulier, dites un. Si vous êtes un professionnel, dites deux.|En raison d'un encombrement, votre appel ne peut aboutir.",
        "de": "Willkommen bei {firm}. Für Verkauf drücken Sie die eins. Für technische Fragen drücken Sie die zwei. Für alle anderen Anliegen bleiben Sie bitte in der Leitung.|Die von Ihnen gewählte Rufnummer ist nicht vergeben. Bitte rufen Sie die Auskunft an.|Alle Mitarbeiter sind im Gespräch. Bitte haben Sie etwas Geduld.|Der gewünschte Teilnehmer ist vorübergehend nicht erreichbar. Bitte versuchen Sie es später noch einmal.|Bitte geben Sie Ihre Kundennummer ein und bestätigen Sie mit der Rautetaste.|Dieses Gespräch kann aufgezeichnet werden. Wenn Sie das nicht möchten, sagen Sie nein.|Sie werden verbunden. Bitte warten.|Kein Anschluss unter dieser Nummer.",
        "it": "Benvenuti in {firm}. Per le vendite, premere uno. Per l'assistenza, premere due. Per parlare con un operatore, premere zero.|Il numero selezionato non è attivo. Si prega di verificare.|Tutti gli operatori sono occupati. Vi preghiamo di attendere in linea.|Il cliente chiamato ha il terminale spento o non raggiungibile. La preghiamo di riprovare più tardi.|Digiti il suo codice cliente seguito dal tasto cancelletto.|La chiamata potrebbe essere registrata.",
        "ru": "Здравствуйте! Вас приветствует {firm}. Для связи с отделом продаж нажмите один. Для связи с технической поддержкой нажмите два. Чтобы повторить, нажмите звёздочку.|Аппарат абонента выключен или находится вне зоны действия сети.|Набранный вами номер не существует. Проверьте правильность набора.|Все операторы заняты. Пожалуйста, оставайтесь на линии.|Введите номер договора и нажмите решётку.|Ваш разговор может быть записан.",
        "pt": "Bem-vindo a {firm}. Para vendas, digite um. Para suporte, digite dois. Para falar com um atendente, digite zero.|O número que você ligou não existe. Verifique e tente novamente.|Todos os nossos operadores estão ocupados. Por favor, aguarde na linha.|O telemóvel que contactou não está disponível. Por favor tente mais tarde.|Digite o seu número de cliente seguido de cardinal.|Esta chamada poderá ser gravada.",
        "fi": "Tervetuloa, {firm}. Jos asiasi koskee myyntiä, paina yksi. Jos asiasi koskee laskutusta, paina kaksi.|Valitsemanne numero ei ole käytössä.|Puhelu on jonossa. Olkaa hyvä ja odottakaa.|Numeroon ei juuri nyt saada yhteyttä.",
        "cs": "Vítejte na lince {firm}. Pro obchodní oddělení stiskněte jedna. Pro technickou podporu stiskněte dva.|Volané číslo neexistuje. Zkontrolujte prosím číslo.|Všichni operátoři jsou obsazeni. Vyčkejte prosím na lince.|Volaný účastník je dočasně nedostupný.",
        "ca": "Benvingut a {firm}. Per a vendes, premi u. Per a suport, premi dos. Si no, esperi's.|El número que ha marcat no existeix.|Totes les línies estan ocupades. Esperi, si us plau.|Introdueixi el seu codi de client.",
    },
}

# Prompts and announcements may be composed of several (an announcement repeated, a notice and then a menu).


def templates(label, language):
    """(fold or None for all folds, template) of one class and language."""
    raw = TEXTS[label].get(language, "").replace("\n", "|")
    out = []
    for place, text in enumerate(t.strip() for t in raw.split("|") if t.strip()):
        out.append((None, text[1:]) if text.startswith("=") else (place % FOLDS, text))
    return out


def fill(template, language, rng: random.Random):
    """The template with its slots filled."""
    text = template
    for slot in ("name", "firm", "role"):
        while "{" + slot + "}" in text:
            choices = SLOTS[slot].get(language) or SLOTS[slot]["en"]
            text = text.replace("{" + slot + "}", rng.choice(choices.split("|")), 1)
    for count in (1, 4, 7, 9, 10):
        while "{digits%d}" % count in text:
            text = text.replace("{digits%d}" % count, _digits(rng, count), 1)
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    for label in TEXTS:
        print(label, {language: len(templates(label, language)) for language in TEXTS[label]})
