-- The program has a name of its own, layeratlas; what it measured itself is called `own`, whatever the program is called.

UPDATE base.models SET source = 'own (imported)' WHERE source = 'own';
UPDATE base.sources SET source = 'own (imported)' WHERE source = 'own';
UPDATE base.models SET source = 'own' WHERE source = 'simcat';
