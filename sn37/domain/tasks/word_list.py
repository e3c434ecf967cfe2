"""Usual English words, which generators draw from.

All are of lower-case letters a to z, so their order is that of the alphabet and of the code points.
The list was written for this project; it is in the public domain (CC0 1.0). It is part of the
rules: another list makes other questions.
"""

from __future__ import annotations

_TEXT = """
able acid acorn actor adult after agent alarm album alley almond alone amber anchor angle animal
ankle answer apple apron arch arena argue arrow artist aside attic aunt autumn avenue awake axle
baby bacon badge bagel baker balance balloon bamboo banana banner barber bark barley barn barrel
basket bath bay beach beak bean bear beard beaver bed bee beech beetle bell bench berry bicycle bird
biscuit bison blade blanket blossom blue boat body bold bone book boot bottle boulder bowl box
branch brave bread breeze brick bridge bright broom brother brown brush bubble bucket bundle butter
button cabbage cabin cable cactus cafe cage cake calf calm camel camera camp canal candle canoe
canvas cape carbon card cargo carpet carrot cart castle cattle cave cellar cereal chain chair chalk
cheese cherry chess chest chicken chimney circle circus city clay clean clever cliff clock cloth
cloud clover coach coal coast coat cobra coconut coffee coin cold comet compass copper coral cork
corn corner cotton cousin cow crab cradle crane crater cream creek cricket crow crown crystal cube
cup curtain curve daily dairy daisy dance danger dark dawn deer delta dentist desert desk dew dinner
dirt dish diver doctor dog doll dolphin donkey door dove dragon drawer dream dress drift drum duck
dune dust eagle early earth east easy echo edge eel egg elbow elder elm empty engine enjoy enter
equal evening evil exact exit eye fable face factory falcon family famous farm farmer feast feather
fence fern ferry fiddle field fig finger fire fish flag flame flat flint flock flood floor flour
flower flute foam fog forest fork fort fossil fountain fox frame fresh friend frog frost fruit
funnel fur galaxy gallop game garage garden garlic gate gentle giant ginger giraffe glacier glad
glass globe glove glue goat gold goose grain grape grass gravel gray green grocer ground grove guest
guide guitar gull gym habit hail hair hammer hand happy harbor hare harp harvest hat hawk hazel
heart heather heavy hedge helmet hen herb hero heron hill hinge hobby hollow honest honey hood hook
horn horse hotel hour house humble hunter hurry hut ice idea igloo inch ink inn insect iron island
ivory ivy jacket jade jam jar jaw jazz jelly jewel joke jolly journey judge juice jumper jungle jury
just kangaroo kayak keen kennel kettle key kid kind king kingdom kitchen kite kitten knee knife
knock knot koala label lace ladder lake lamb lamp land lantern lark laugh laundry lava lawn lazy
leaf leather ledge lemon lentil letter level library lily limb lime linen lion list little lizard
loaf lobster lock log lonely loud lucky lunch lung magic magnet mango map maple marble march market
mask meadow meal medal melon metal meteor middle mild milk mill mine minute mirror mist moat model
mole money monkey month moon moose moss moth motor mountain mouse mouth mud muffin mule museum music
mustard nail napkin narrow native near neat neck needle nephew nest net never nickel niece night
noble noise noodle north nose notch novel nurse nut oak oar oasis oat ocean olive onion open opera
orange orbit orchard organ ostrich otter oven owl owner oxygen oyster paddle page paint palace palm
pan panda paper parade park parrot pasta path patient peach peak peanut pear pebble pelican pen
pencil pepper petal phone piano picnic pie pigeon pillow pilot pine pink pirate pitcher planet plank
plate plaza plow plum pocket poem poet polar polite pond pony porch port potato pottery powder
prairie prize proud pudding puddle pulley pumpkin pupil puppy purple puzzle pyramid quail quarry
quarter quartz queen quest quick quiet quilt quiver quiz quota rabbit raccoon race radio radish raft
rail rain raisin ranch rapid raven razor reed reef rely rest ribbon rice ridge ring ripe river road
robin robot rock rocket roof room root rope rose round rowing ruby rug ruler rural rusty saddle sail
salad salmon salt sand sandal sauce scarf school scissors scout sea seal season seed shadow shark
sheep shelf shell shelter shield ship shirt shoe shore shovel silent silk silver singer sister skate
sketch sky sled slice slope slow snail snake snow soap soccer sock sofa soil solar soup south spark
sparrow spice spider spinach spoon spring spruce square squid squirrel stable stair star statue
steam steel stem stone stool storm stove straw street string strong student sugar summer sun swan
sweet swift symbol syrup table tail tailor talent tall tame tea teacher tent thorn thread throne
thumb thunder tiger timber tiny toad toast tomato tongue tool torch tower town toy track tractor
trail train tray treasure tree triangle trout truck trumpet tulip tundra tunnel turkey turnip turtle
twig twin ulcer umbrella uncle under uniform unique unit upper urban urchin useful usual vacant
valley van vanilla vase vault velvet vessel vest village vine vinegar violet violin visit voice
volcano vote voyage vulture wagon walnut walrus warm wasp watch water wave wax weather weaver wedge
weed whale wheat wheel whisper white wide willow wind window wing winter wise witness wolf wonder
wood wool world worm wren wrist writer yacht yard yarn year yeast yellow yogurt young yucca zebra
zero zinc zipper zone zoo
"""

WORDS: tuple[str, ...] = tuple(_TEXT.split())
