"""Plain texts that every tokenizer for English restores. Child side."""

from __future__ import annotations

# Lower case, letters and single spaces: a change by tokenizers that fold case, compose characters
# or drop white space costs bits for each sample, but does not lead to a model's rejection.
PROBES = tuple(
    """\
the committee met to discuss the budget
she opened the window and looked outside
a small boat crossed the wide river
water boils when it is heated long enough
he wrote a letter to his old teacher
the train left the station on time
we walked along the beach until sunset
they planted seven trees behind the house
the answer depends on what you measure
most birds build a new nest every year
please send the report before the meeting
the museum is closed for two more weeks
nobody knew where the music came from
a good question is half of the answer
the children played in the garden all day
it rained for three days without a break
our neighbours moved to another city
the recipe needs flour and a little salt
this road leads straight to the harbour
a list can be sorted in many ways
he repaired the clock with great patience
the results were better than expected
they speak a language that few people know
the doctor asked her to rest for a week
light travels faster than sound
the model reads a text and guesses what follows
prices rose a little during the winter
everyone laughed when the dog barked
the bridge was built a hundred years ago
some plants grow only in the shade
the teacher explained the rule once more
her brother works in a large hospital
the moon was bright enough to read by
we should leave early to catch the bus
the story ends where it began
a square has four equal sides
the old man told us about the war
fresh bread smells better than it tastes
the engine makes a strange noise
several members voted against the plan""".splitlines()
)
