"""The function words of the languages that can be stemmed: lower case, with their accents. Pure.

Closed classes only (articles, pronouns, prepositions, conjunctions, auxiliaries, question words, particles),
written for this project. They say nothing about what a text is about and much about which language it is in,
so no word of content belongs here.
"""

WORDS = {
    "en": """
        a about after again all am an and any are as at be because been before being between both but by can
        could did do does doing down during each few for from further had has have having he her here hers
        herself him himself his how i if in into is it its itself just me more most my myself no nor not now
        of off on once only or other our ours ourselves out over own please same she should so some such
        tell than that the their theirs them themselves then there these they this those through to too
        under until up us very was we were what when where which while who whom whose why will with would
        you your yours yourself yourselves s t d ll m o re ve
    """,
    "de": """
        aber alle allem allen aller alles als also am an auch auf aus bei beim bin bis bist da damit dann
        das dass daß dein deine deinem deinen deiner dem den denn der des dessen dich die dies diese diesem
        diesen dieser dieses dir doch dort du durch ein eine einem einen einer eines er es etwas euch euer
        eure für gegen hab habe haben habt hat hatte hatten hätte hier hin ich ihm ihn ihnen ihr ihre ihrem
        ihren ihrer im in ins ist ja jede jedem jeden jeder jedes jetzt kann kannst kein keine keinem keinen
        keiner können könnte mal man mehr mein meine meinem meinen meiner mich mir mit muss musst müssen
        nach nein nicht nichts noch nun nur ob oder ohne schon sehr seid sein seine seinem seinen seiner
        seit sich sie sind so soll sollen sollte sondern über um und uns unser unsere unserem unseren unter
        vom von vor wann war waren warum was weil welche welchem welchen welcher welches wem wen wenn wer
        werde werden wie wieder will wir wird wirst wo wollen worden wurde wurden würde würden zu zum zur
        zwischen
    """,
    "fr": """
        à ai aie ait alors as au aucun aucune aussi autre autres aux avaient avais avait avant avec avez
        avions avoir avons c ça car ce ceci cela celle celles celui ces cet cette ceux chez comme comment d
        dans de depuis des donc dont du elle elles en encore entre es est et étaient étais était étant été
        être eu eux fait il ils j je jusqu l la là laquelle le lequel les leur leurs lui m ma mais me même
        mes moi mon n ne ni nos notre nous on ont ou où oui par parce pas pendant peut peux plus pour
        pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans se sera serait ses si soi soit
        sommes son sont sous suis sur t ta te tes toi ton tous tout toute toutes très tu un une vers veux
        vos votre vous y
    """,
    "es": """
        a al algo alguien algún alguna algunas algunos allí ante antes aquel aquella aquí así aún aunque
        cada como cómo con contra cual cuál cuando cuándo cuánto de del desde donde dónde dos durante e él
        el ella ellas ellos en entonces entre era eran eres es esa esas ese eso esos esta está están estar
        estas este esto estos estoy fue fueron ha había han has hasta hay he hemos la las le les lo los más
        me mi mí mis mucho muy nada ni no nos nosotros nuestra nuestro o os otra otras otro otros para pero
        poco por porque pues que qué quien quién quiénes se sea ser si sí sido siempre sin sobre sois somos
        son soy su sus también tampoco tan te tengo ti tiene tienen tienes todo todos tu tú tus un una unas
        uno unos usted ustedes va vamos vosotros y ya yo
    """,
    "it": """
        a abbia abbiamo ad agli ai al alla alle allo allora anche ancora avete aveva avevo c che chi ci cioè
        ciò come con così cosa cui d da dagli dai dal dalla dalle degli dei del dell della delle dello
        dentro di dopo dove due e è ed era erano eri ero essere fa fra fino gli già ha hai hanno ho i il in
        invece io l la là le lei li lì lo loro lui ma me mi mia mie miei mio molto ne né negli nei nel nella
        nelle nello niente no noi non nostra nostro o ogni oggi oppure per perché però più poi prima proprio
        può qual quale quali qualche quando quanto quegli quei quel quella quelle quello questa queste
        questi questo qui quindi sarà se sei senza sì si sia siamo siete solo sono sopra sotto sta stata
        stato sto su sua sue sui sul sulla suo suoi te ti tra tu tua tue tuo tuoi tutti tutto un una uno va
        vi voi vostra vostro
    """,
    "pt": """
        a à agora ainda algo alguém algum alguma ali ao aos aquela aquele aqui aquilo as às assim até cada
        com como da daquele das de dela dele deles depois desde dessa desse desta deste do dois dos e é ela
        elas ele eles em enquanto então entre era eram essa essas esse esses esta está estamos estão estar
        estas estava este estes estou eu foi for foram fosse há isso isto já lá lhe mais mas me mesmo meu
        meus minha minhas muito muitos na não nas nem nenhum nessa nesse nesta neste no nos nós nossa nosso
        num numa nunca o onde os ou para pela pelas pelo pelos pode por porque pra pro quais qual quando
        quanto que quem quê são se seja sem sempre ser será seu seus só sobre somos sou sua suas também tão
        te tem têm temos tenho ter teu tinha toda todas todo todos tu tua tudo um uma umas uns vai vamos
        você vocês vos vou
    """,
    "nl": """
        aan al alle alleen alles als altijd andere ben bent bij daar dan dat de deze die dit doe doen door
        dus echt een één eens en er even geen ge geweest gewoon haar had hadden heb hebben hebt heeft heel
        hem hen het hier hij hoe hun iemand iets ik in is ja je jij jou jouw jullie kan kon kun kunnen maar
        me meer men met mij mijn moet moeten mag na naar nee niet niets nog nou nu of om omdat ons onze ook
        op over reeds straks te tegen toch toen tot u uit uw van veel voor waar waarom wanneer waren was wat
        we wel welke werd wie wij wil willen word worden wordt zal ze zei zelf zich zij zijn zo zonder zou
        zouden
    """,
    "sv": """
        alla allt att av bara bli blir blev då där de dem den denna deras dess det detta dig din dina ditt
        du efter eftersom ej eller en er era ett för från få får genom ha hade han hans har hej här hen
        henne hennes hon honom hur i icke igen in ingen inget inte ja jag ju kan kommer kunde kunna med
        mellan men mer mig min mina mitt mot mycket när någon något några ni nu nej och också om oss på
        sedan ser sig sin sina sitt själv ska skall skulle så som till under upp ut utan vad var vara varför
        varit vart vem vi vid vilka vilken vilket vill vår våra vårt väl än är åt över
    """,
    "da": """
        ad af alle alt anden andre at bare blev blive bliver da de dem den denne der deres det dette dig din
        dine disse dit dog du efter ej eller en end er et få får for fordi før fra gør ham han hans har
        havde have hej hende hendes her hos hun hvad hvem hver hvilken hvis hvor hvordan hvorfor hvornår i
        igen ikke ind ingen intet ja jeg jer jeres jo kan kom kommer kun kunne lige man mange med meget
        mellem men mens mere mig min mine mit mod må nå når ned nej noget nogen nogle nok nu og også om op
        os over på så sig sin sine sit skal skulle som til ud under var vi vil ville være været vores
    """,
    "no": """
        alle alt andre at av bare begge ble bli blir både da de deg dei dem den denne der dere deres det
        dette di din dine disse ditt du då eg eit eller en ei er et ett etter få får for fordi før fra ha
        hadde han hans har hei hennes henne her hos hun hva hvem hver hvilken hvis hvor hvordan hvorfor i
        igjen ikke ikkje ingen inn ja jeg jo kan kanskje kom kommer kun kunne litt med meg mellom men mens
        mer mitt min mine mot mye må nå når nei ned noe noen nok og også om opp oss over på så seg sin sine
        sitt skal skulle som til ut uten under var vi vil ville vår våre være vært
    """,
    "fi": """
        ai eikä ei eivät ellei en enää että et ette ehkä häneen häntä hän hänen he heidän hyvin itse ja jo
        jos joita jonka jossa joka jotka jotta joten joku juuri kai kaikki kanssa ketä koko koska kuin
        kuinka kuka kun kyllä liian me meidän meillä mihin mikä miksi millainen milloin minä minua minulla
        minulle minun minut missä mistä mitä mitään mutta muu mukaan myös mä ne nämä niin niitä no noin nuo
        nyt ole olen olet oletko oli olin olimme olisi olisin olla olemme oletteko olivat ollut on onko ovat
        paljon pitää pois saa sekä se sen siellä siinä siitä sille sinä sinua sinulla sinun sitä sitten ihan
        sun mun tai täällä tämä tämän tässä tästä tätä te teidän tuo tuon tuota vaan vai vaikka vain vielä
        voi voin voit voisi vähän
    """,
    "ru": """
        а без более бы был была были было быть в вам вас ваш ваша весь вдруг ведь во вот впрочем все всё
        всегда всего всех всю вы где да даже два для до его ее её ей ему если есть еще ещё ж же за зачем
        здесь и из или им иногда их к как какая какой какие когда кого кому конечно кто куда ли либо лишь
        лучше между меня мне много может можно мой моя мое моё мои мы на над надо наш наша наши не него нее
        неё ней нельзя нет ни нибудь никогда ним них ничего но ну о об один он она они оно опять от очень
        перед по под пока после потом потому почему почти при про раз разве с сам себе себя сейчас со совсем
        так такой там твой твоя тебе тебя тем теперь то тобой тогда того тоже той только том тот тут ты у уж
        уже хоть чего чей чем через что чтоб чтобы чуть эта эти этих это этого этой этом этот эту я
    """,
    "hu": """
        a abban ahogy ahol aki akik akkor alatt által általában amely amelyek amelyet amíg ami amikor amit
        arra át az azért azok azon azonban azt aztán azután azzal be bár belül benne csak csupán de e eddig
        egész egy egyes egyéb egyik el ellen előtt én ennek erre ez ezek ezen ezt ezzel fel fog ha hanem hát
        hogy hogyan hol hozzá igen így ilyen is ismét itt kell kellett ki kinek kívül kik le legyen lehet
        lenne lenni lesz lett ma maga majd már más még meg mégis mely mellett mert mi mióta miért mikor
        milyen mind mindig mint mintha mit mivel most nagyon ne neki nekem nekik nem néha nélkül nincs ő ők
        olyan on ott ön össze pedig rá s saját se sem semmi sok során szerint számára szia te tehát teljes
        többi tovább ti úgy újra után utána vagy vagyok vajon valaki valami van vannak vele velem vissza
        volna volt voltak voltam
    """,
    "ro": """
        a ai aia al ale ar are as aș asta astea asupra așa acea aceasta această acel acela acelea acest
        acesta aceste acestea acestei acestor acolo acum am au avea avem aveți azi ați bine că căci când
        care câte către ce cel cei cele ceva chiar cine cineva cu cum cât dar dacă de deci decât deja despre
        din doar după e ea ei el ele era eram este eu ești fără face fi fie fiecare fost i îi îl îmi în încă
        între își îți l la le li lor lui m mai mă mea mei mele mi mie mine meu mult multe n ne nici nimic
        niște noi nostru noștri noastră nu o or ori oricine pe pentru peste poate prea prin s sa să sale sau
        se și sunt suntem sunteți sub t ta tău te ți ține toată toate tot toți totul tu tuturor un una unde
        unei unele unii unor unui v va vă vei voi vom vor vreau vostru voastră
    """,
    "tr": """
        ama ancak artık aslında bana bazı belki ben benden beni benim beri bile bir biraz birçok biri birkaç
        bize biz bizi bizim böyle bu buna bunda bundan bunlar bunları bunu bunun burada çok çünkü da daha
        dahi de defa değil değilim diye diğer en evet fakat falan gibi göre hala hâlâ hangi hani hatta hayır
        hem henüz hep hepsi her herkes hiç hiçbir için ile ise işte kadar karşı kendi kendine ki kim kimin
        kimse lütfen madem mi mı mu mü nasıl ne neden nedir nerede nereye niçin niye o olan olarak oldu
        olduğu olması olmaz olsa olsun olur ona ondan onlar onları onların onu onun orada oysa öyle pek
        rağmen sadece sana sanki sen senden seni senin siz size sizi sizin sonra şey şimdi şöyle şu şuna
        şunu tabii tamam tüm üzere var ve veya ya yani yine yok zaten
    """,
    "ca": """
        a abans això aixo aleshores algú algun alguna alguns allà allò als altra altre altres amb ambdós any
        aquell aquella aquells aquest aquesta aquestes aquests aquí així bé cada cap com contra d de del
        dels des després dins doncs durant e el ell ella elles ells els em en encara ens entre era eren es
        és esta està estan estàs estic et fa fins foren fos hi ha han has havia he hem ho i ja jo l la les
        li llavors m ma mateix me més meu meva meves mi mig molt molta molts mon n na ne ni no nosaltres
        nostra nostre o on pel pels per però perquè perque poc pot puc qual quals quan quant que què qui
        quin quina s sa se sempre sense seu seus seva seves si sí sobre sóc soc som son són sota t també tan
        tant te té tenen teniu tens teu teva ti tinc tot tota totes tothom tots tu un una unes uns va vaig
        vam van vas vosaltres vostè vostra vostre
    """,
    "pl": """
        a aby ale albo ani aż bardzo bez bo być był była było były byli bym będą będzie będę chociaż ci cię
        co coś czemu czy czyli dla dlaczego dlatego do dopiero gdy gdyby gdzie go i ich ile im inne iż ja
        jak jaka jaki jakie jako je jednak jego jej jem jest jesteś jestem jeszcze jeśli jeżeli już każdy
        kiedy kim kto która które którego której który których którym którzy ku lub ma mają mam masz mi mną
        mnie moja moje może mój mu my na nad nam nami nas nasz nasza nic nich nie niego niej nim niż no o
        obok od ona one oni ono oraz po pod podczas ponieważ poza przed przede przez przy są się skąd sobie
        swoje ta tak taki takie także tam te tego tej ten też to tobą tobie tu tutaj twoja twoje twój ty
        tych tylko tym u w wam was we według więc wiele wszyscy wszystkich wszystko wtedy wy z za ze że żeby
    """,
    "cs": """
        a aby ač ale ani ano asi až bez bude budem budeme budeš budou budu by byl byla byli bylo bych být co
        což dnes do ho i já jak jaké jako je jeho její jejich jen ještě ji jí jich jim jiné již jsem jsi
        jsme jsou jste k kam každý kde kdo kdy když ke která které kterou který kteří ku má mám máme máš
        mají mě mezi mi mít mne mnou můj může my na nad nám námi náš naše ne nebo nebyl něco nejsou není než
        nic nich ním o od on ona oni ono pak po pod podle pokud pouze proč pro proto protože před přes při s
        se si sice snad svůj svou své ta tady tak také takže tam tě ten této tento ti tím to toho tohle toto
        tom tomu tu tuto tvůj ty tyto u už v vám vás váš ve vedle však všechno všechny vy z za zda zde ze že
    """,
    "el": """
        α αλλά αν αντί απ από αυτά αυτές αυτή αυτό αυτοί αυτός αυτού αυτούς αυτών για γιατί δε δεν δηλαδή
        εάν εγώ εδώ είμαι είμαστε είναι είσαι είστε είχα είχε εκεί εκείνη εκείνο εκείνος ένα έναν ένας ενώ
        επειδή επί εσείς εσένα εσύ έτσι έχει έχεις έχετε έχουμε έχουν έχω η ή ήδη ήμουν ήταν θα ίδιο κάθε
        και κάποιο κάποιος κατά κάτι κι λοιπόν μα μας με μέχρι μετά μη μην μια μία μόνο μου μπορεί μπορείς
        μπορώ να ναι ο οι όλα όλοι όμως όπου όπως όσο όταν ότι ούτε όχι παρά πια πιο ποια ποιο ποιος πολύ
        πόσο που πού πρέπει πριν προς πως πώς σαν σας σε σου στα στη στην στις στο στον στους τα τη την της
        τι τις τίποτα το τόσο τον του τους τώρα των υπό χωρίς ως
    """,
    "ar": """
        أن أنا أنت أنتم أو أي أين إذا إلا إلى إن أنه أنها ألا أما أيضا الآن التي الذي الذين اللي بعد بعض بل
        بين بها به ثم جدا حتى حول حيث خلال ذلك تلك سوف على عليه عليها عن عند عندما غير فقط في فيه فيها قبل
        قد كان كانت كل كم كما كنت كيف لا لأن لأنه لقد لك لكن له لها لهم لو لي ليس ليست ما ماذا مثل مع من منذ
        منه منها متى نحن نعم هذا هذه هل هم هنا هناك هو هي و وقد وكان ولا ولم وما ومن وهو وهي يا يكون لم لن
        لماذا
    """,
    "hi": """
        अगर अपना अपनी अपने अब अभी आप आपका आपकी आपके आपको इस इसका इसकी इसके इसमें इसलिए इसे उन उनका उनकी उनके
        उनको उस उसका उसकी उसके उसने उसे एक ऐसा और कई कब कभी कर करके करना करने कहाँ कहां का कि किस किसी की
        कुछ के को कोई कौन क्या क्यों गया गई गए जब जहाँ जा जाता जाती जैसे जो तक तब तुम तुम्हारा तुम्हें तू ते
        तो था थी थे दिया द्वारा न नहीं ना ने पर फिर बहुत बारे बाद भी मगर मत मुझे में मेरा मेरी मेरे मैं
        मैंने यदि यह यहाँ या ये रहा रही रहे लिए लेकिन वह वहाँ वाला वाली वाले वे वो सकता सकते सब सभी साथ से
        हम हमने हमारा हमारी हमारे हमें ही हुआ हुई हुए हूँ हूं हे है हैं हो होगा होगी होता होती होते होना
    """,
    "id": """
        ada adalah agar aja akan aku anda antara apa apakah atas atau bagaimana bagi bahwa baru bisa boleh
        bukan dalam dan dapat dari dengan di dia dong dulu gak hanya harus ia ini itu jadi jangan jika juga
        kalau kalian kami kamu kapan karena ke kenapa kepada kita lagi lah lebih maka mana masih mau mereka
        mungkin namun nggak nih nya oleh pada para paling pernah saat saja sama sampai sangat saya sebagai
        sebelum secara sedang seperti sesuatu setelah setiap siapa sih sudah supaya tapi telah tentang
        terhadap tersebut tetapi tidak tolong udah untuk ya yaitu yang
    """,
}
"""By ISO 639-1 code; "no" is Norwegian, Bokmål with the commonest words of Nynorsk."""

NEIGHBOURS = {
    "bg": """
        аз ако без беше вече вие все да до е един една едно за защо и или има как какво като към който която
        които кога къде ли ме ми може много му на не него нещо ни ние но няма от още по под при са само се
        си след сме съм със също така там те тези този това тази ти то той тук тя че ще я
    """,
    "uk": """
        а або але без був була було бути в вже ви він вона вони все всі де для до дуже є ж же з за зараз
        його її і й коли куди ми має мене мені можна на навіть не немає ні нам наш о он по при про та так
        також там те ти тільки то тому у хто це цей ці чи чого чому що щоб щось я як який якщо яка які
    """,
    "sk": """
        a aby aj ako ale alebo ani asi až bez bol bola boli bolo bude by čo do ešte ho ich ja je jeho jej k
        kde keď ktorá ktoré ktorý ktorí ma má majú mať medzi mi mňa môj môže my na nad nám nás nech než nie
        niečo o od on ona oni po pod podľa pre prečo pred pri s sa si sme som sú svoj ta tak tam tento toto
        to tu ty už v veľmi vo však z za že
    """,
    "hr": """
        a ali bi bih bila bili bilo bio da do dok gdje i ih ili iz ja jako je jer jesam još ju kad kada kako
        kao koja koje koji kojih kojoj li me mi mogu može moj na nakon nas ne nego neki nema ni nije nisam o
        od on ona oni ovaj ovo pa po pod pri s sa samo sam se si sve smo ste su što ta tako taj te ti to u
        vi već vrlo za zašto zato
    """,
    "af": """
        aan al as baie by daar dat die dit een ek en gaan gee geen haar hê het hierdie hoe hom hul hulle hy
        in is jou julle jy kan maar met moet my na net nie nog of om onder ons ook op sal se sy te teen tot
        uit van vir voor waar wat was wees wie
    """,
    "gl": """
        a ao aos as ata con como cando da das de do dos e é el ela eles en era esa ese esta este estou eu
        foi hai isto lle máis meu miña moi na nas no nos non nosa ó o onde os ou para pero pola polo por
        porque que se sen ser só son súa seu tamén ten teño ti todo un unha unhas uns xa
    """,
    "fa": """
        آن آنها اگر است اما او ای این با باید بر برای بود به تا تو چه چرا چون خود در دارد را شد شما کرد که
        ما من می نه نیست هر هم های یا یک
    """,
}
"""Languages that have no stemmer here but words of one that has: known so that they are not taken for it."""
