"""Names that are common in the United States, in lower case, for `transforms.fhir.scrub`.

The 700 commonest given names of men and the 1,000 of women, and the 1,500 commonest surnames, of
the census of 1990, less three that are medical words. Some are also words, places or eponyms:
they count as names only beside another sign of a name.

Source: https://www.census.gov/topics/population/genealogy/data/1990_census.html
"""

_GIVEN = """
    aaron abby abel abigail abraham ada adam addie adela adele adeline adolfo adolph adrian
    adriana adrienne agnes agustin aida aileen aimee aisha alan alana albert alberta alberto
    alejandra alejandro alex alexander alexandra alexis alfonso alfred alfreda alfredo ali alice
    alicia aline alisa alisha alison alissa allan allie allison allyson alonzo alphonso althea
    alton alvaro alvin alyce alyson alyssa amalia amanda amelia amie amos amparo amy ana
    anastasia andre andrea andres andrew andy angel angela angelia angelica angelina angeline
    angelique angelita angelo angie anita ann anna annabelle anne annette annie annmarie anthony
    antoine antoinette anton antonia araceli archie arlene arline armand armando arthur arturo
    ashlee ashley aubrey audra audrey aurelia aurora ava avery avis barbra barry bart beatrice
    beatriz becky belinda ben benita benito benjamin bennie benny bernadette bernadine bernardo
    bernice bert berta bertha bertie beryl bessie beth bethany betsy bette bettie betty bettye
    beulah beverley beverly bianca billie billy blaine blanca blanche bob bobbi bobbie bonita
    boyd brad bradley brandi brandie brandon brandy brenda brendan brent bret brett brian briana
    brianna bridget bridgett bridgette brigitte britney brittany brittney brooke bruno bryan
    bryant bryce bryon byron caitlin caleb callie calvin cameron camille candace candice cara
    carey carissa carl carla carlene carlos carlton carly carmela carmella carmen carole
    caroline carolyn carrie carroll cary casandra casey cassandra cassie catalina catherine
    cathleen cathryn cathy cecelia cecil cecile cecilia cedric celeste celia celina cesar chad
    chandra charity charlene charles charlie charmaine chasity cheri cherie cheryl chester chris
    christa christi christie christina christine christopher christy chrystal chuck cindy claire
    clara clarence clarice clarissa clark claude claudette claudia claudine clayton clement cleo
    cleveland clifford clifton clint clyde cody coleen colette colin colleen concepcion concetta
    connie conrad constance consuelo cora corey corina corine corinne cornelia cornelius corrine
    cory courtney coy craig cristina curt curtis cynthia daisy damian damien damon dan dana dane
    daniel danielle danny dante daphne darcy darin darius darla darlene darnell darrel darrell
    darren darrin darryl darwin daryl dave david dean deana deann deanna deanne debbie debora
    deborah debra deena deidre deirdre delbert delia della delores deloris demetrius dena denis
    denise dennis denny derek derick derrick desiree desmond devin devon dewayne dewey dexter
    diana diane diann dianna dianne dina dion dionne dixie dollie dolly dolores domingo dominic
    dominick dominique dona donald donna donnell donnie donovan dora doreen doris dorothea
    dorothy dorthy doug doyle duane dudley dustin dwayne dwight dylan earl earlene earline
    earnestine ebony eddie eddy edgar edith edmond edmund edna eduardo edward edwin edwina effie
    efrain eileen elaine elba elbert eldon eleanor elena eli elias elijah elinor elisa elisabeth
    elise eliza elizabeth ella ellen elliot elliott elma elmer elnora eloise elsa elsie elton
    elva elvia elvin elvira elvis elwood emanuel emery emil emilia emilio emily emma emmanuel
    emmett enid enrique eric erica erick ericka erik erika erin erma erna ernest ernestine
    ernesto ernie ervin erwin esmeralda esperanza essie esteban estela estella estelle ester
    esther ethan ethel etta eugene eugenia eula eunice eva evan evangelina evangeline eve evelyn
    everett fabian fannie fanny fay faye federico felecia felicia felipe felix fernando fidel
    florine flossie floyd forrest fran frances francesca francine francis francisca frankie
    franklin fred freda freddie freddy frederick fredrick freida frieda gabriel gabriela
    gabrielle gail garland garrett garry gary gavin gay gayle gena geneva genevieve geoffrey
    george georgette georgina gerald geraldine gerard gerardo gerry gertrude gilbert gilberto
    gilda gina gladys glenda glenn glenna gloria goldie gonzalo gordon gracie graciela grady
    greg gregg gregorio gregory greta gretchen grover guadalupe guillermo gus gustavo gwen
    gwendolyn hal haley hallie hannah hans harlan harley harold harriet harriett harry harvey
    hattie hazel heather hector heidi helen helena helene helga henrietta henry herbert
    heriberto herman herminia hester hilary hilda hillary hiram hollie horace howard hubert hugh
    hugo humberto ian ida ignacio ila ilene imelda imogene ina ines inez ingrid ira irene irma
    irvin irving isaac isabel isabella isabelle isaiah ismael issac iva ivan jackie jacklyn
    jaclyn jacob jacqueline jacquelyn jaime jake jamal james jami jamie jana jane janell janelle
    janet janette janice janie janine janis janna jannie jared jarrod jarvis jasmine jason
    jasper javier jay jayne jayson jeanette jeanie jeanine jeanne jeannette jeannie jeannine
    jeff jeffery jeffrey jeffry jenifer jenna jennie jennifer jenny jerald jeremiah jeremy jeri
    jermaine jerome jerri jerry jess jesse jessica jessie jesus jewel jewell jill jillian jim
    jimmie jimmy jo joan joann joanna joanne joaquin jocelyn jodi jodie jody joe joel joesph
    joey johanna john johnathan johnnie johnny jolene jon jonathan jonathon joni jorge josefa
    josefina joseph josephine josh joshua josie joyce juan juana juanita judith judy julia
    julian juliana julianne julie juliet juliette julio julius justin justine kaitlin kara karen
    kari karin karina karl karla karyn kasey kate katelyn katharine katherine katheryn kathie
    kathleen kathrine kathryn kathy katie katina katrina katy kay kaye kayla keisha keith kelley
    kelli kellie kelsey kelvin ken kendall kendra kendrick kenneth kenny kent keri kerri kerry
    kevin kim kimberley kimberly kirk kirsten kitty kris krista kristen kristi kristie kristin
    kristina kristine kristopher kristy krystal kurt kyle lacey ladonna lakeisha lakisha lamar
    lamont lana lara larry latasha latisha latonya latoya laura laurel lauren laurence lauri
    laurie laverne lavonne lawanda lawrence lea leah leann leanna leanne leigh leila lela leland
    lelia lena lenora lenore leo leola leon leona leonardo leonor leroy lesa lesley leslie
    lessie lester leta letha leticia letitia levi lidia lila lilia lilian liliana lillian lillie
    lilly lily lina linda lindsay lindsey lionel lisa liz liza lizzie lloyd lois lola lolita
    lonnie lora loraine loren lorena lorene lorenzo loretta lori lorie lorna lorraine lorrie
    lottie lou louella louie louis louisa louise lourdes lowell loyd luann lucas lucia lucile
    lucille lucinda lucy luella luis luisa luke lula lupe luther luz lydia lyle lynda lynette
    lynn lynne lynnette mabel mable mack madeleine madeline madelyn madge mae magdalena maggie
    mai malcolm malinda mamie mandy manuel manuela mara marc marcel marcella marci marcia marcie
    marco marcos marcus marcy margaret margarita margery margie margo margret marguerite mari
    maria marian mariana marianne maribel maricela marietta marilyn marina mario marion marisa
    marisol marissa maritza marjorie marla marlene marlin marlon marquita marsha marta martha
    martin martina marty marva marvin mary maryann maryanne maryellen marylou mathew matilda
    matt matthew mattie maude maura maureen maurice mauricio mavis maxine maxwell maynard mayra
    meagan megan meghan melanie melba melinda melisa melissa melva melvin meredith merle mia
    micah michael micheal michel michele michelle mickey miguel mike milagros mildred millard
    millicent millie mindy minerva minnie miranda miriam misty mitchell mitzi moises mollie
    molly mona monica monique monte monty morgan morris moses muriel murray myra myrna myron
    myrtle nadia nadine nancy nanette nannie naomi natalia natalie natasha nathan nathaniel neal
    neil nelda nell nellie nelson nettie neva nicholas nichole nickolas nicolas nicole nikki
    nina nita noah noe noel noelle noemi nola nolan nona nora norbert noreen norma norman norris
    odell odessa ofelia ola olga oliver olivia ollie omar opal ophelia ora orlando orville oscar
    otis otto owen pablo paige pam pamela pansy patrica patrice patricia patsy patti patty paul
    paula paulette pauline pearlie pedro peggy penelope percy perry pete peter petra phil philip
    phillip phoebe phyllis pierre polly preston priscilla queen quentin quincy quinton rachael
    rachel rachelle rae rafael ralph ramiro ramon ramona randal randall randi randolph raphael
    raquel raul raymond reba rebecca rebekah reggie regina reginald rena rene renee reuben reva
    reyna reynaldo rhoda rhonda ricardo richard rick rickey rickie ricky rigoberto riley rita
    robbie robert roberta roberto robin robyn rocco rochelle rocky roderick rodger rodney
    rodolfo rodrigo rogelio roger roland rolando roman romeo ron ronald ronda ronnie roosevelt
    rory rosa rosalie rosalind rosalinda rosalyn rosanna rosanne rosario roscoe roseann rosella
    rosemarie rosemary rosetta rosie roslyn ross rowena roxanne roxie roy royce ruben rudolph
    rudy rufus russel ruth ruthie ryan sabrina sadie sallie sally salvador salvatore sam
    samantha sammie sammy samuel sandra santos sara sarah sasha saul saundra scot scotty sean
    sebastian selena selma serena sergio seth shana shane shanna shannon shari sharlene sharon
    sharron shaun shauna shawn shawna sheena sheila shelby sheldon shelia shelley shelly sheree
    sheri sherman sherri sherrie sherry sheryl shirley sidney silvia simon simone socorro sofia
    solomon sondra sonia sonja sonya sophia sophie spencer stacey staci stacie stacy stan
    stefanie stella stephan stephanie stephen sterling steve stuart susan susana susanna susanne
    susie suzanne suzette sybil sylvester sylvia tabatha tabitha tamara tameka tamera tami
    tamika tammi tammie tammy tamra tania tanisha tanya tara tasha taylor ted teddy terence
    teresa teri terra terrance terrell terrence terri terrie terry tessa thaddeus thelma
    theodore theresa therese thomas thurman tiffany tim timmy timothy tina tisha toby todd tom
    tomas tommie tommy toni tonia tony tonya tracey traci tracie tracy travis trent trevor
    tricia trina trisha troy trudy twila tyrone tyson ulysses ursula valarie valeria valerie
    vance vanessa vaughn velma vern verna veronica vicente vicki vickie vicky victor vilma vince
    vincent viola virgie virgil vivian vonda wallace walter wanda wayne wendell wendi wendy
    wesley whitney wilbert wilbur wilda wiley wilfred wilfredo willa willard william williams
    willie willis wilma winifred winnie winston wm woodrow xavier yesenia yolanda yvette yvonne
    zachary zelma
"""

_GIVEN_AND_WORD = """
    al alba alexandria allen alma alta amber antonio april arnold august augusta austin autumn
    barbara basil bernard bill blake bobby bonnie bradford brady bruce buddy burton candy
    carol carolina charlotte chase chelsea cherry christian clare clay cliff clinton cole
    crystal dale dallas davis dawn dee diego don douglas drew earnest ed ellis faith fern flora
    florence francisco frank gale gene georgia ginger glen grace graham grant guy harrison heath
    holly homer hope iris israel ivy jack jackson jan jean jefferson jordan jose joy june junior
    kelly kenya kermit lacy lance lee leonard lewis logan mallory marie mark marshall mason max
    may melody mercedes miles milton ned nick olive pat patrick pearl penny randy ray reed rex
    rhea rob rod rose ruby russell rusty sandy santiago savannah scott stanley steven
    stewart sue summer ty tyler van vera vernon victoria violet virginia wade ward warren
    will wilson young
"""

_FAMILY = """
    aaron abbott abrams acevedo ackerman acosta adams adkins aguilar aguirre akers albert
    albright aldridge alexander alford allen allison alston alvarado alvarez ames amos andersen
    anderson andrade andrews anthony archer arellano arias arrington arroyo arthur ash ashley
    atkinson avery avila ayala ayers baca bacon bailey baird baker baldwin ballard banks barber
    barker barlow barnard barnes barnett barr barrera barron barry bartlett barton bass bates
    battle bauer baxter bean beard beasley beatty becker belcher beltran benitez benjamin
    bennett benson bentley benton berg berger bergeron bernal bernard betts billings bingham
    bird blackburn blackmon blackwell blair blanchard blanco bland blankenship blanton blevins
    bloom blount boggs bolden bolton bond bonilla bonner booker boone booth boswell boucher
    bowden bowen bower bowers bowles bowling bowman boyce boyd boyer boyle bradford bradley
    bradshaw bragg brandon brandt brantley braun bray brennan brewer brewster briggs britt
    britton brock brooks broussard browning bruno bryan bryant buchanan buck buckley buckner
    bullard bullock burch burgess burke burkett burks burnett burrell burris burt burton bush
    butler butts byers byrd byrne cabrera cain calderon caldwell calhoun callahan camacho
    cameron camp campbell campos cannon cano cantrell cantu capps cardenas carey carlisle
    carlson carlton carmichael carney carpenter carr carrillo carroll carson cartwright carver
    casey cash castaneda castillo castle castro cates caudill cervantes chamberlain chan
    chandler chaney chang chapman chappell charles chase chavez chen childers childress childs
    christensen christian christopher chung cisneros clark clarke clay clayton clement clements
    clemons cleveland clifton cline coates cobb cochran coffey coffman cohen coker colbert cole
    coleman collier collins combs compton conklin conley conner connolly connor conrad contreras
    conway cooley cooper copeland corbett corbin cordova cormier cornett correa cortez costa
    costello cote courtney covington cowan cox crabtree craft craig cramer crane crawford crews
    crocker crockett crosby crouch crow crowder crowley crum cruz cuevas cummings cummins
    cunningham curran curry curtis dailey dale dalton daly daniel daniels daugherty davenport
    david davidson davies davila dawson dean decker dejesus delacruz delaney delarosa deleon
    delgado dempsey dennis denton dewitt diaz dick dickens dickerson dickey dickinson dickson
    dillard dillon dixon dobson dodd dodson doherty dominguez donahue donaldson donnelly donovan
    dooley dorsey doss dotson dougherty douglas downey downing downs doyle drake draper drew
    duarte dubois dudley duffy duke dukes dumas dunbar duncan dunham dunlap dunn dupree duran
    durham dwyer dyer eaton edmonds edwards elder eldridge elkins elliott ellison elmore emerson
    emery england english enriquez erickson ervin erwin escobar esparza espinosa espinoza estes
    estrada evans everett ewing farley farmer farr farrell farris faulkner feliciano felix
    ferguson fernandez ferrell ferris figueroa finch fink finley fischer fisher fitzgerald
    fitzpatrick flanagan fleming fletcher flores flowers floyd flynn fontenot forbes ford
    foreman forrest fountain fowler fox francis franco franklin franks fraser frazier frederick
    freeman frey friedman fritz frost fry frye fuentes fuller fulton funk gagnon gaines galindo
    gallagher gallegos galloway galvan gamble garcia gardner garland garner garrett garrison
    gary garza gaston gates gay gentry george gibbons gibbs gibson gilbert giles gill gillespie
    gilliam gilmore gipson givens glenn glover godfrey godwin goff goins goldberg golden
    goldstein gomez gonzales gonzalez goode goodman goodwin gordon gorman goss gould grace grady
    graham grant graves greene greenwood greer gregg gregory griffin griffith griggs grimes
    groves guerra guerrero gunn gunter gustafson guthrie gutierrez guy guzman haas hahn haines
    hairston hale haley hall hamilton hamm hammond hampton hancock haney hankins hanna hannah
    hansen hanson harden hardin harding hardy hargrove harmon harper harrell harrington harris
    harrison hart hartley hartman harvey hastings hatch hatcher hatfield hathaway hawkins hayden
    hayes haynes hays heath hebert heller helms helton henderson hendricks hendrickson hendrix
    henley henry hensley henson herbert herman hernandez herrera herring herron hess hester
    hewitt hickey hicks higgins hill hilliard hilton hines hinkle hinton ho hobbs hodge hodges
    hoffman hogan holbrook holcomb holden holland holley holliday hollingsworth hollis holloway
    holman holmes holt hooper hoover hopkins hopper horne horton hoskins houser houston howard
    howe howell hubbard huber hudson huerta huff huffman huggins hughes hull humphrey hunt
    hunter hurd hurley hurst hutchins hutchinson hutchison hyde ibarra ingram inman irvin irwin
    ivey jacobs jacobson james jamison jaramillo jarvis jefferson jeffries jenkins jennings
    jensen jewell jimenez john johns johnson johnston jones jordan joseph joyce joyner juarez
    justice kaiser kane kaplan katz kaufman keith kelley kelly kemp kendall kendrick kennedy
    kenney kent kern kerr kessler keys kidd kim kimball king kinney kirby kirk kirkland
    kirkpatrick klein kline knapp knight knowles knox koch kramer krause krueger kuhn lacy
    ladner lake lam lamb lambert lancaster land landry lane lang lange langley lara larkin
    larsen larson latham lawrence lawson leach leal leblanc lee lehman leon leonard leslie
    lester levine levy lilly lin lindsay lindsey livingston lloyd locke lockhart logan lopez
    lott love lovell lowe lowery lowry lozano lucas lucero lugo luna lund lutz lynch lynn lyon
    lyons macdonald macias mack mackey madden maddox madison magee mahoney maldonado malone
    maloney manley mann manning manuel marin marino marquez marrero marsh martin martinez mason
    massey mata mathews mathis matthews maxwell mayer mayes maynard mays mcallister mccabe
    mccain mccall mccann mccarthy mccarty mccauley mcclain mcclellan mcclendon mcclure mcconnell
    mccord mccormick mccoy mccray mccullough mcdaniel mcdermott mcdonald mcdowell mcelroy
    mcfadden mcfarland mcgee mcghee mcgill mcginnis mcgowan mcgrath mcgraw mcguire mcintosh
    mcintyre mckay mckee mckenzie mckinley mckinney mcknight mclaughlin mclean mcleod mcmahon
    mcmanus mcmillan mcneal mcneil mcneill mcpherson mcqueen mead meade meadows medina meeks
    mejia melendez melton melvin mendez mendoza mercado mercer meredith merrill merritt messer
    metcalf meyer meyers meza michael middleton miller milligan mills milton miranda mitchell
    mobley molina monroe montes montgomery montoya moody moon mooney mora morales moran moreno
    morgan morin morris morrison morrow morse moser moses mosley moss moyer mueller mullen
    muller mullins muniz munoz murdock murphy murray myers nance nash navarro neal neely nelson
    newell newman newsome newton nguyen nicholas nichols nicholson nielsen nieves nix nixon
    noble noel nolan norman norris norton novak nunez obrien ochoa oconnell oconnor odell odom
    odonnell oliver olsen olson oneal oneil oneill orozco orr ortega ortiz osborn osborne ott
    owen owens pacheco padgett padilla pagan paige painter palacios palmer parks parrish parsons
    pate patel patterson patton paul payne payton pearce pearson peck pelletier pena penn
    pennington peoples perez perkins perry peters petersen peterson petty pham phelps phillips
    phipps pickett pierce pierre pierson pike pineda piper pittman pitts plummer poe polk
    pollard pollock ponce poole pope porter potter potts powell powers preston price prince
    pritchard proctor pruitt pryor puckett pugh quinn quinones quintana quintero raines rainey
    ramey ramirez ramos ramsey randall randolph rangel rankin rasmussen ratliff raymond reece
    reed reese reeves reid reilly reyes reyna reynolds rhodes rich richard richards richardson
    richmond richter ricks riddle riggs riley rios ritchie ritter rivas rivera rivers roach
    robbins roberson roberts robertson robinson robison robles rocha rodgers rodrigues rodriguez
    rodriquez roe rogers rojas rollins roman romero rosa rosado rosales rosario rosenberg ross
    roth rouse rowe rowland roy rubio rucker rudolph ruffin ruiz rush rushing russell russo
    rutherford rutledge ryan salas salazar salgado salinas sampson samuels sanchez sanders
    sanderson sandoval sanford santana santiago santos sargent saunders savage sawyer schaefer
    schmidt schmitt schneider schroeder schultz schwartz seals sears sellers serrano sewell
    sexton seymour shafer shaffer shannon sharpe shaw shea sheehan sheffield shelton shepherd
    sheppard sherman shields shirley shoemaker silva simmons simms simon simons simpson sims
    sinclair singh singleton sizemore skinner slater slaughter sloan smiley smith snell snider
    snow snyder solis solomon sorensen sosa soto sparks spears spence spencer spivey springer
    stafford stanford stanley stanton stark starks starr steele stein stephens stephenson
    sterling stevens stevenson steward stewart stinson stokes stout stover strickland stroud
    stuart suarez sullivan summers sutherland sutton swain swanson swartz sweeney sweet swift
    sykes talley tapia tate tatum taylor teague terrell terry thomas thompson thomson thurman
    tidwell tillman tipton todd tolbert tomlinson toney torres townsend tracy tran travis trent
    trevino trujillo tucker turner tuttle tyler tyson underwood valdez valencia valentine
    valenzuela vance vang vargas vasquez vaughan vaughn vazquez vega velasquez velazquez velez
    vickers vigil villa villanueva villarreal villegas vincent vinson vogel voss waddell wade
    wagner walden wallace waller walsh walter walters walton wang warner warren washington
    waters watkins watson weaver webb webber weber webster welch wells welsh werner wesley west
    weston whaley whitaker whitehead whitfield whitley whitney wiggins wilcox wilder wiley
    wilkerson wilkins wilkinson willard william williams williamson willis wills winston winters
    wiseman witt wolf wolfe womack wong wood woodard woodruff woods woodward wooten workman
    worley wright wyatt wynn yang yarbrough yates yoder york zamora zimmerman zuniga
"""

_FAMILY_AND_WORD = """
    armstrong arnold atkins austin ball barrett beach beck bell bender berry best bishop black
    blake blue brady branch bridges bright brown bruce bunch burns carter case chambers cherry
    church colon cook cooke cotton couch cross crowe davis day deal dye ellis fair field fields
    fish foley foster frank french glass gleason good gore gray green gross hand head heard
    hickman holder hood horn house hurt jackson keller key law le lewis little long lord major
    marks marshall may mayfield mayo mcbride miles miner minor moore morton norwood numbers pace
    page park parker patrick post pratt quick ray rice rose scott self sharp shepard short
    silver singer small smart stone story strong swan tanner temple thomason thornton walker
    wall walls ward ware watts weeks weiss wheeler white wilson winter wise young
"""

GIVEN = frozenset(_GIVEN.split())
"""Given names that are little else."""

ANY_GIVEN = GIVEN | frozenset(_GIVEN_AND_WORD.split())

FAMILY = frozenset(_FAMILY.split())
"""Surnames that are no word of medical English."""

ANY_FAMILY = FAMILY | frozenset(_FAMILY_AND_WORD.split())
